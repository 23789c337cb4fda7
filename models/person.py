"""People: who writes messages and who reviews proposals."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint
from sqlmodel import Field, SQLModel

from models.columns import flag_column, id_column, stamp_column, text_column


class User(SQLModel, table=True):
    """A person or bot. `phone` is E.164-like, e-mail addresses are unique where known."""

    __tablename__ = "users"
    __table_args__ = (CheckConstraint(r"phone ~ '^\+?[1-9][0-9]{1,14}$'", name="ck_users_phone"),)

    id: UUID = id_column()
    first_name: str = text_column()
    last_name: str | None = text_column(nullable=True)
    email: str | None = Field(default=None, unique=True)
    phone: str | None = Field(default=None, unique=True)
    avatar_url: str | None = text_column(nullable=True)
    is_active: bool = flag_column(True)
    is_bot: bool = flag_column(False)
    created_at: datetime = stamp_column()
    updated_at: datetime = stamp_column()


class TelegramProfile(SQLModel, table=True):
    """A user's account in a Telegram source."""

    __tablename__ = "telegram_profiles"

    id: UUID = id_column()
    telegram_user_id: int = Field(sa_type=BigInteger, unique=True)
    first_name: str = text_column()
    last_name: str | None = text_column(nullable=True)
    language_code: str | None = text_column(nullable=True)
    is_bot: bool = flag_column(False)
    is_premium: bool = flag_column(False)
    user_id: UUID = Field(foreign_key="users.id", unique=True)
    source_id: UUID = Field(foreign_key="sources.id", index=True)
    created_at: datetime = stamp_column()
    updated_at: datetime = stamp_column()
