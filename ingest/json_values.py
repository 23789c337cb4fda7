"""JSON from strangers: bounded in depth and size, streamed item by item.

Each item is cut out of the array by its brackets and parsed by itself, so a broken one costs only itself. ijson 3.6,
the usual streaming parser, is not used: an integer of 5,000 digits crashes its C backend, and its memory grows with
the square of the nesting (100,000 brackets exhaust the machine).
"""

import json
import re
from collections.abc import Iterator
from typing import BinaryIO

from ingest.lines import BOM

MAX_DEPTH = 64
MAX_ITEM_BYTES = 16 * 1024 * 1024
CHUNK_BYTES = 64 * 1024

_STRING = rb'"(?:[^"\\]++|\\.)*+"'
_TO_BRACKET = re.compile(rb'(?:[^"\[\]{}]++|' + _STRING + rb")*+", re.DOTALL)
_TO_BRACKET_OR_COMMA = re.compile(rb'(?:[^"\[\]{},]++|' + _STRING + rb")*+", re.DOTALL)
_SPACE = re.compile(rb"[ \t\r\n]*")


class BadJsonError(ValueError):
    """The text is not JSON, or nested or sized beyond the bounds. The message says which."""


def parse_json(data: bytes) -> object:
    """The value that UTF-8 `data` holds; raises `BadJsonError`. Lone surrogates stay in the strings."""
    try:
        value: object = json.loads(data.decode())
    except UnicodeDecodeError as error:
        raise BadJsonError(f"not valid UTF-8 at byte {error.start}") from None
    except RecursionError:
        raise BadJsonError("nested too deeply") from None
    except ValueError as error:
        raise BadJsonError(str(error)) from None
    return value


def array_items(stream: BinaryIO, *, chunk_bytes: int = CHUNK_BYTES) -> Iterator[bytes]:
    """Yields the text of each item of the array that is the whole of `stream`.

    Raises `BadJsonError` where the text is no array, or its end or a bound is missed; the items before that point
    have been given by then.
    """
    text = _Text(stream, chunk_bytes)
    text.open_array()
    first = True
    while True:
        item, end = text.next_item()
        if item.strip() or not (first and end):
            yield item
        if end:
            break
        first = False
    text.expect_nothing_more()


class _Text:
    """A window on the stream: `buffer[start:]` is what has not been given out, scanned as far as `at`."""

    def __init__(self, stream: BinaryIO, chunk_bytes: int) -> None:
        self.stream = stream
        self.chunk_bytes = chunk_bytes
        self.buffer = b""
        self.start = self.at = 0

    def more(self) -> bool:
        """Reads on; False at the end of the stream."""
        if len(self.buffer) - self.start > MAX_ITEM_BYTES:
            raise BadJsonError(f"an item is longer than {MAX_ITEM_BYTES} bytes")
        chunk = self.stream.read(self.chunk_bytes)
        self.buffer = self.buffer[self.start :] + chunk
        self.at -= self.start
        self.start = 0
        return bool(chunk)

    def skip_space(self) -> bool:
        """Goes to the next byte that is no white space; False at the end of the stream."""
        while True:
            self.start = self.at = _matched(_SPACE, self.buffer, self.at)
            if self.at < len(self.buffer):
                return True
            if not self.more():
                return False

    def open_array(self) -> None:
        while len(self.buffer) < len(BOM) and self.more():
            pass
        if self.buffer.startswith(BOM):
            self.at = len(BOM)
        if not self.skip_space() or self.buffer[self.at : self.at + 1] != b"[":
            raise BadJsonError("not a JSON array")
        self.at += 1
        self.start = self.at

    def next_item(self) -> tuple[bytes, bool]:
        """The text up to the next comma or the array's end, and whether it was the end."""
        depth = 0
        while True:
            self.at = _matched(_TO_BRACKET if depth else _TO_BRACKET_OR_COMMA, self.buffer, self.at)
            mark = self.buffer[self.at : self.at + 1]
            if mark in (b"", b'"'):  # the end of the buffer, or a string that goes on beyond it
                if not self.more():
                    raise BadJsonError("the text ends inside the array")
                continue
            self.at += 1
            if mark in b"[{":
                depth += 1
            elif depth:
                depth -= 1
            else:
                return self._give(), mark != b","
            if depth > MAX_DEPTH:
                raise BadJsonError(f"nested deeper than {MAX_DEPTH} levels")

    def _give(self) -> bytes:
        item = self.buffer[self.start : self.at - 1]
        self.start = self.at
        return item

    def expect_nothing_more(self) -> None:
        if self.buffer[self.at - 1 : self.at] != b"]":
            raise BadJsonError("the array is closed by a brace")
        if self.skip_space():
            raise BadJsonError("there is text after the array")


def _matched(pattern: re.Pattern[bytes], text: bytes, at: int) -> int:
    match = pattern.match(text, at)
    assert match is not None  # every pattern here also matches nothing
    return match.end()
