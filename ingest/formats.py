"""The export formats that can be imported: each is one module and one line here."""

from errors import BadRequest
from ingest.entries import Format
from ingest.irc import IRC
from ingest.jsonl import JSONL
from ingest.slack import SLACK

FORMATS: dict[str, Format] = {importer.name: importer for importer in (IRC, JSONL, SLACK)}


def format_named(name: str) -> Format:
    """Raises `BadRequest` `unknown_format`, which names the known ones."""
    try:
        return FORMATS[name]
    except KeyError:
        known = ", ".join(FORMATS)
        raise BadRequest("unknown_format", f"There is no format {name[:40]!r}; the formats are {known}.") from None
