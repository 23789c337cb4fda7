"""`If-Match`: the version that the caller saw, bare or quoted, and `ETag`, which shows it."""

from typing import Annotated

from fastapi import Depends, Header, Response

from errors import PreconditionNeeded

_NO_VERSION = 0
"""What no row has: a tag that this service never gave matches nothing."""

IfMatch = Annotated[
    str | None,
    Header(alias="If-Match", description="The `version` that you saw, bare or quoted.", examples=["3"]),
]


async def _given(if_match: IfMatch = None) -> int | None:
    if if_match is None:
        return None
    tag = if_match.strip().removeprefix('"').removesuffix('"')
    return int(tag) if tag.isascii() and tag.isdecimal() and len(tag) < 10 else _NO_VERSION


async def _needed(given: Annotated[int | None, Depends(_given)]) -> int:
    if given is None:
        raise PreconditionNeeded("version_required", "Name the version that you saw, as `If-Match: 3`.")
    return given


GivenVersion = Annotated[int | None, Depends(_given)]
"""A handler's parameter that receives the version where the caller names one."""

NeededVersion = Annotated[int, Depends(_needed)]
"""The same where it has to be named: 428 `version_required`."""


def show_version(response: Response, version: int) -> None:
    response.headers["ETag"] = f'"{version}"'
