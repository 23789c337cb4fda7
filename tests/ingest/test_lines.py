"""Lines of bounded length."""

from io import BytesIO

from hypothesis import given
from hypothesis import strategies as st

from ingest.lines import read_lines


def test_ends_of_lines_and_a_byte_order_mark_are_removed() -> None:
    stream = BytesIO(b"\xef\xbb\xbfone\r\ntwo\n\nlast")
    assert list(read_lines(stream)) == [(1, b"one"), (2, b"two"), (3, b""), (4, b"last")]


def test_a_line_over_the_limit_is_passed_over_and_the_next_is_read() -> None:
    stream = BytesIO(b"a" * 25 + b"\nshort\n" + b"b" * 11)
    assert list(read_lines(stream, limit=10)) == [(1, None), (2, b"short"), (3, None)]


def test_a_line_of_just_the_limit_is_read() -> None:
    assert list(read_lines(BytesIO(b"a" * 10 + b"\n" + b"b" * 10), limit=10)) == [(1, b"a" * 10), (2, b"b" * 10)]


@given(st.binary().map(lambda data: data.replace(b"x", b"\n")), st.integers(1, 20))
def test_every_line_is_given_or_said_to_be_too_long(data: bytes, limit: int) -> None:
    expected = data.split(b"\n")
    if not expected[-1]:
        expected.pop()
    found = list(read_lines(BytesIO(data), limit=limit))
    assert [number for number, _ in found] == list(range(1, len(expected) + 1))
    for (number, line), original in zip(found, expected, strict=True):
        if line is None:
            assert len(original) > limit
        elif number > 1:
            assert line == original.removesuffix(b"\r")
