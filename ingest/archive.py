"""The files of an export, as a zip or a folder, opened only when nothing about them is suspicious."""

import os
import re
import stat
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

from errors import Unprocessable

MAX_FILES = 1_000_000
MAX_TOTAL_BYTES = 20 * 1024**3
MAX_RATIO = 200
"""Text of chats shrinks by 5 to 60 times. The best that the method can do, 1032 times, needs a bomb's content."""
RATIO_MATTERS_FROM_BYTES = 1024 * 1024

READ_ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, OSError)
"""What reading an opened file may raise when the archive is damaged, besides what its content causes."""

_ODD = re.compile(r"[\x00-\x1f\x7f\\]|^[A-Za-z]:")


class Archive(Protocol):
    """Names are relative, with forward slashes."""

    names: list[str]

    def open(self, name: str) -> BinaryIO: ...


def unsafe(detail: str) -> Unprocessable:
    return Unprocessable("unsafe_archive", detail)


def check_names(names: Iterable[str]) -> None:
    """Refuses names that lead out of the archive, that no export has, or that stand twice."""
    seen: set[str] = set()
    for name in names:
        parts = name.removesuffix("/").split("/")
        if _ODD.search(name) or not {"", ".", ".."}.isdisjoint(parts):
            raise unsafe(f"The archive holds the suspicious name {name[:200]!r}; nothing was imported.")
        if name in seen:
            raise unsafe(f"The archive holds {name[:200]!r} twice; nothing was imported.")
        seen.add(name)
    if len(seen) > MAX_FILES:
        raise unsafe(f"The archive holds more than {MAX_FILES} files; nothing was imported.")


def check_sizes(entries: list[zipfile.ZipInfo], archive_bytes: int) -> None:
    """Refuses zip bombs by what the entries declare. `zipfile` reads no entry beyond its declared size."""
    total = sum(entry.file_size for entry in entries)
    if total > MAX_TOTAL_BYTES:
        raise unsafe(f"The archive unpacks to {total} bytes, more than {MAX_TOTAL_BYTES}; nothing was imported.")
    packed_and_unpacked = [(entry.compress_size, entry.file_size, entry.filename) for entry in entries]
    for packed, unpacked, name in [*packed_and_unpacked, (archive_bytes, total, "the whole")]:
        if unpacked > RATIO_MATTERS_FROM_BYTES and unpacked > packed * MAX_RATIO:
            raise unsafe(
                f"{name[:200]!r} unpacks to {unpacked} bytes from {packed}, more than {MAX_RATIO} times: "
                "it looks like a zip bomb; nothing was imported. Unpack it yourself and import the folder."
            )


def check_kinds(entries: list[zipfile.ZipInfo]) -> None:
    """Refuses links, encrypted files and compression methods that exports don't use."""
    for entry in entries:
        if stat.S_ISLNK(entry.external_attr >> 16):
            raise unsafe(f"{entry.filename[:200]!r} is a link; nothing was imported.")
        if entry.flag_bits & 0x1:
            raise unsafe(f"{entry.filename[:200]!r} is encrypted; nothing was imported.")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise unsafe(f"{entry.filename[:200]!r} has an unusual compression; nothing was imported.")


class ZipArchive:
    def __init__(self, file: zipfile.ZipFile, archive_bytes: int) -> None:
        entries = file.infolist()
        # orig_filename: ZipInfo.filename is already cut at a NUL
        check_names(entry.orig_filename for entry in entries)
        check_kinds(entries)
        check_sizes(entries, archive_bytes)
        self._file = file
        self.names = sorted(entry.filename for entry in entries if not entry.is_dir())

    def open(self, name: str) -> BinaryIO:
        stream: BinaryIO = self._file.open(name)  # type: ignore[assignment]  # IO[bytes] is not BinaryIO to mypy
        return stream


class FolderArchive:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.names = sorted(_files_below(folder))
        check_names(self.names)

    def open(self, name: str) -> BinaryIO:
        return (self._folder / name).open("rb")


def _files_below(folder: Path) -> Iterator[str]:
    count = 0
    for parent, folders, files in os.walk(folder, onerror=_raise):
        for name in (*folders, *files):
            if os.path.islink(os.path.join(parent, name)):
                raise unsafe(f"{name[:200]!r} is a link; nothing was imported.")
        count += len(files)
        if count > MAX_FILES:
            raise unsafe(f"The folder holds more than {MAX_FILES} files; nothing was imported.")
        for name in files:
            yield Path(parent, name).relative_to(folder).as_posix()


def _raise(error: OSError) -> None:
    raise Unprocessable("unreadable_folder", f"{error.filename} can't be read: {error.strerror}.")


@contextmanager
def open_archive(path: Path) -> Iterator[Archive]:
    """The export at `path`, a folder or a zip. Raises `Unprocessable` `unsafe_archive` or `not_an_archive`."""
    if path.is_dir():
        yield FolderArchive(path)
        return
    try:
        file = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise Unprocessable("not_an_archive", f"{path.name} is neither a folder nor a zip file: {error}") from None
    with file:
        yield ZipArchive(file, path.stat().st_size)
