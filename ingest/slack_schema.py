"""The parts of a Slack export that matter here. Other fields are passed over; a wrong type is an error."""

from datetime import timedelta, timezone, tzinfo
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, BeforeValidator, ConfigDict

_DAY_SECONDS = 86_400


def _none_as_empty(value: object) -> object:
    return [] if value is None else value


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)


class Profile(_Part):
    display_name: str | None = None
    real_name: str | None = None
    name: str | None = None

    def shown_name(self) -> str | None:
        return self.display_name or self.real_name or self.name or None


class User(_Part):
    id: str
    name: str | None = None
    real_name: str | None = None
    is_bot: bool = False
    profile: Profile = Profile()
    tz: str | None = None
    tz_offset: int | None = None
    """Seconds, as they were when the export was made."""

    def shown_name(self) -> str:
        return self.profile.shown_name() or self.real_name or self.name or self.id

    def clock(self) -> tzinfo | None:
        """The clock that the person sees: of the zone, which knows of summer, else of the offset."""
        try:
            if self.tz:
                return ZoneInfo(self.tz)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            pass
        if self.tz_offset is None or abs(self.tz_offset) >= _DAY_SECONDS:
            return None
        return timezone(timedelta(seconds=self.tz_offset))


class Conversation(_Part):
    """A channel, private channel or group conversation. Direct ones have no name."""

    id: str
    name: str | None = None


class File(_Part):
    name: str | None = None
    title: str | None = None
    url_private: str | None = None


class Attachment(_Part):
    text: str | None = None
    fallback: str | None = None


class BotProfile(_Part):
    name: str | None = None


class Comment(_Part):
    user: str | None = None


class SlackMessage(_Part):
    ts: str
    type: str = "message"
    subtype: str | None = None
    user: str | None = None
    username: str | None = None
    bot_id: str | None = None
    text: str | None = None
    thread_ts: str | None = None
    user_profile: Profile | None = None
    bot_profile: BotProfile | None = None
    comment: Comment | None = None
    file: File | None = None
    files: Annotated[list[File], BeforeValidator(_none_as_empty)] = []
    attachments: Annotated[list[Attachment], BeforeValidator(_none_as_empty)] = []
