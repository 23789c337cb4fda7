"""Items of a JSON array, cut out without reading it whole."""

import json
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest import json_values
from ingest.json_values import MAX_DEPTH, BadJsonError, array_items, parse_json

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(alphabet='ab"\\[]{},é€😀\ud800') | st.floats(allow_nan=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(alphabet='a"\\[{,'), inner),
    max_leaves=20,
)


@given(st.lists(values), st.integers(1, 9), st.booleans(), st.sampled_from([None, 1]))
def test_the_items_are_those_of_the_array_whatever_the_chunks(
    array: list[object], chunk: int, escaped: bool, indent: int | None
) -> None:
    data = json.dumps(array, ensure_ascii=escaped, indent=indent).encode(errors="replace")
    expected = json.loads(data)
    assert [parse_json(item) for item in array_items(BytesIO(data), chunk_bytes=chunk)] == expected


@given(st.binary() | st.text(alphabet='[]{},"\\ 1').map(str.encode), st.integers(1, 9))
def test_no_bytes_raise_anything_but_bad_json(data: bytes, chunk: int) -> None:
    try:
        items = list(array_items(BytesIO(data), chunk_bytes=chunk))
    except BadJsonError:
        with pytest.raises((ValueError, AssertionError)):
            assert isinstance(json.loads(data), list)
        return
    for item in items:
        try:
            parse_json(item)
        except BadJsonError:
            return


@pytest.mark.parametrize(
    "text", ["", "  ", "{}", "null", "[1", '["abc', "[1}", "[1] 2", '{"a": [1]}', "[" * 100_000, "1]"]
)
def test_what_is_no_array_is_refused(text: str) -> None:
    with pytest.raises(BadJsonError):
        list(array_items(BytesIO(text.encode())))


def test_the_items_before_the_break_are_given() -> None:
    items = array_items(BytesIO(b'[{"a": 1}, {"b": 2}, {"c'))
    assert [next(items), next(items)] == [b'{"a": 1}', b' {"b": 2}']
    with pytest.raises(BadJsonError, match="ends inside"):
        next(items)


def test_a_broken_item_costs_only_itself() -> None:
    items = list(array_items(BytesIO(b'[{"a": 1}, {"b" 2}, , {"c": 3}, [}, 4]')))
    assert len(items) == 6
    assert parse_json(items[3]) == {"c": 3}
    for bad in (items[1], items[2], items[4]):
        with pytest.raises(BadJsonError):
            parse_json(bad)


def test_depth_has_a_bound() -> None:
    deepest = "[" * MAX_DEPTH + "]" * MAX_DEPTH
    assert list(array_items(BytesIO(f"[{deepest}]".encode())))
    with pytest.raises(BadJsonError, match="nested deeper"):
        list(array_items(BytesIO(f"[[{deepest}]]".encode())))


def test_an_item_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_values, "MAX_ITEM_BYTES", 1000)
    with pytest.raises(BadJsonError, match="longer than 1000 bytes"):
        list(array_items(BytesIO(b'["' + b"a" * 5000 + b'"]'), chunk_bytes=100))


def test_numbers_of_any_length_and_bad_utf8_are_bad_json_and_no_crash() -> None:
    for data in (b'{"a":' + b"9" * 5000 + b"}", b'"\xff"', b"[" * 100_000):
        with pytest.raises(BadJsonError):
            parse_json(data)
