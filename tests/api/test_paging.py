"""Lists page by page."""

import base64
import json
from contextlib import suppress
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.paging import decode, encode
from errors import Unprocessable
from tests.support.api import ServedApi


def cursor_of(parts: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode()


async def test_the_pages_hold_every_item_once_the_newest_first(api: ServedApi) -> None:
    for number in range(7):
        await api.post("/sources", {"name": str(number)}, status=201)
    names: list[str] = []
    cursor: str | None = None
    sizes = []
    while True:
        query = {"cursor": cursor} if cursor else {}
        page = await api.get("/sources", limit=3, status=200, **query)
        assert page["total"] == 7
        sizes.append(len(page["items"]))
        names += [item["name"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert names == ["6", "5", "4", "3", "2", "1", "0"]
    assert sizes == [3, 3, 1]


async def test_an_exact_page_is_the_last(api: ServedApi) -> None:
    for number in range(2):
        await api.post("/sources", {"name": str(number)}, status=201)
    assert (await api.get("/sources", limit=2))["next_cursor"] is None


async def test_what_is_added_meanwhile_moves_nothing(api: ServedApi) -> None:
    for number in range(4):
        await api.post("/sources", {"name": str(number)}, status=201)
    first = await api.get("/sources", limit=2)
    await api.post("/sources", {"name": "new"}, status=201)
    second = await api.get("/sources", limit=2, cursor=first["next_cursor"])
    assert [item["name"] for item in second["items"]] == ["1", "0"]


@pytest.mark.parametrize("limit", [0, 201, -1, "many"])
async def test_a_limit_out_of_bounds_is_422(api: ServedApi, limit: object) -> None:
    refused = await api.get("/sources", limit=limit, status=422)
    assert refused["errors"][0]["field"] == "limit"


async def test_a_cursor_of_elsewhere_is_422(api: ServedApi) -> None:
    strange = (
        "x", "%%%", "äöü", cursor_of([]), cursor_of({}), cursor_of(["2026-03-10T09:00:00", str(uuid4())]),
        cursor_of(["2026-03-10T09:00:00Z", "no-id"]), cursor_of([1, 2]), cursor_of(["a", "b", "c"]),
    )  # fmt: skip
    for cursor in strange:
        refused = await api.get("/sources", cursor=cursor, status=422)
        assert refused["code"] == "invalid_cursor", cursor
        assert refused["errors"][0]["field"] == "cursor"


@given(
    st.datetimes(timezones=st.just(UTC)),
    st.uuids(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(-(2**31) + 1, 2**31 - 1),
)
def test_a_cursor_gives_back_the_key_it_was_made_of(moment: datetime, some_id: UUID, real: float, whole: int) -> None:
    assert decode(encode((moment, some_id)), (datetime, UUID)) == (moment, some_id)
    assert decode(encode((real, some_id)), (float, UUID)) == (real, some_id)
    assert decode(encode((whole,)), (int,)) == (whole,)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists))
def test_no_forged_cursor_is_an_error_of_the_service(parts: object) -> None:
    for kinds in ((int,), (float, UUID), (datetime, UUID)):
        with suppress(Unprocessable):
            decode(cursor_of(parts), kinds)


def test_a_number_beyond_all_bounds_in_a_cursor_is_refused() -> None:
    with pytest.raises(Unprocessable):
        decode(cursor_of([10**400, str(uuid4())]), (float, UUID))
