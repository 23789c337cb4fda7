"""One import from beginning to end."""

import time
from contextlib import closing
from pathlib import Path

from db.engine import Database
from errors import BadRequest
from ingest.entries import ReadOptions
from ingest.formats import format_named
from ingest.load import Progress, load
from ingest.report import ImportReport
from ingest.sinks import ComparingSink, DatabaseSink


async def import_file(
    database: Database,
    format_name: str,
    path: Path,
    *,
    source: str | None = None,
    name: str | None = None,
    channel: str | None = None,
    dry_run: bool = False,
    on_progress: Progress | None = None,
) -> ImportReport:
    """Imports the export at `path` (a file, or a folder where the format is one) and reports what became of it.

    The messages go to `source`; without it, to the source that the file names, or to one named like the file. `name`
    is the file's own name where `path` is a temporary copy. `channel` is for IRC logs that don't name theirs. A dry
    run compares with the database and writes nothing. Raises `BadRequest` (`unknown_format`, `file_not_found`) and
    `Unprocessable` for a file that can't be read as that format, before anything is written.
    """
    importer = format_named(format_name)
    size = _size(path)
    stem = Path(name).stem if name else path.stem
    report = ImportReport(importer.name, dry_run=dry_run, bytes=size)
    sink = ComparingSink(database) if dry_run else DatabaseSink(database, importer.source_type, source or stem)
    begun = time.monotonic()
    with closing(importer.read(path, ReadOptions(name=stem, channel=channel))) as entries:
        try:
            await load(entries, sink, report, source=source, otherwise=stem, on_progress=on_progress)
        except BaseException as error:
            await sink.end(error)
            raise
    await sink.end(None)
    report.seconds = time.monotonic() - begun
    return report


def _size(path: Path) -> int:
    """In bytes; a folder's is that of its files. Raises `BadRequest` `file_not_found`."""
    try:
        if path.is_dir():
            return sum(file.lstat().st_size for file in path.rglob("*") if file.is_file())
        return path.stat().st_size
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a path"
        raise BadRequest("file_not_found", f"{path} can't be read: {reason}.") from None
