"""Lines of a file of any size, each of bounded length."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from errors import BadRequest

MAX_LINE_BYTES = 4 * 1024 * 1024
"""Room for the longest content (100,000 characters) with every character escaped as a JSON surrogate pair."""

BOM = b"\xef\xbb\xbf"


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """The file, for reading. Raises `BadRequest` `file_not_found` where there is no readable file."""
    try:
        stream = path.open("rb")
    except OSError as error:
        raise BadRequest("file_not_found", f"{path} can't be read: {error.strerror}.") from None
    with stream:
        yield stream


def read_lines(stream: BinaryIO, *, limit: int = MAX_LINE_BYTES) -> Iterator[tuple[int, bytes | None]]:
    """Yields (number from 1, line without its end), or (number, None) for a line longer than `limit` bytes."""
    number = 0
    while line := stream.readline(limit + 1):
        number += 1
        if len(line) > limit and not line.endswith(b"\n"):
            _skip_rest(stream, limit)
            yield number, None
            continue
        if number == 1:
            line = line.removeprefix(BOM)
        yield number, line.removesuffix(b"\n").removesuffix(b"\r")


def _skip_rest(stream: BinaryIO, limit: int) -> None:
    while (piece := stream.readline(limit)) and not piece.endswith(b"\n"):
        pass
