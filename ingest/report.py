"""What an import did."""

from dataclasses import dataclass, field

from db.messages import StoredCounts
from ingest.entries import Skipped

MAX_BAD_LINES = 20
MAX_DETAIL_CHARS = 300


@dataclass(frozen=True, slots=True)
class BadLine:
    """Something skipped and where it stands: a line, or a file of an archive and the item in it."""

    position: str
    reason: str
    detail: str


@dataclass(slots=True)
class ImportReport:
    """The counts of one import. `read` is the sum of inserted, updated, unchanged and all of `skipped` (reason →
    number); nothing that a file holds is left out of it. In a dry run the first three say what would have been.

    `repaired` counts the messages in which bytes that were no text were replaced; they are imported. `bytes` is the
    size of the file or of the folder's files, `seconds` the time that the import took.
    """

    format: str
    sources: list[str] = field(default_factory=list)
    dry_run: bool = False
    read: int = 0
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    repaired: int = 0
    bad_lines: list[BadLine] = field(default_factory=list)
    bytes: int = 0
    seconds: float = 0.0

    def skip(self, entry: Skipped) -> None:
        """Counts what did not become a message; the first `MAX_BAD_LINES` are kept with their positions."""
        self.read += 1
        self.skipped[entry.reason] = self.skipped.get(entry.reason, 0) + 1
        if len(self.bad_lines) < MAX_BAD_LINES:
            self.bad_lines.append(BadLine(_printable(entry.position), entry.reason, _printable(entry.detail)))

    def stored(self, counts: StoredCounts) -> None:
        self.inserted += counts.inserted
        self.updated += counts.updated
        self.unchanged += counts.unchanged

    @property
    def skipped_total(self) -> int:
        return sum(self.skipped.values())

    def to_json(self) -> dict[str, object]:
        """The report as JSON values, keys as the fields."""
        return {
            "format": self.format,
            "sources": self.sources,
            "dry_run": self.dry_run,
            "read": self.read,
            "inserted": self.inserted,
            "updated": self.updated,
            "unchanged": self.unchanged,
            "skipped": self.skipped,
            "skipped_total": self.skipped_total,
            "repaired": self.repaired,
            "bad_lines": [
                {"position": bad.position, "reason": bad.reason, "detail": bad.detail} for bad in self.bad_lines
            ],
            "bytes": self.bytes,
            "seconds": round(self.seconds, 3),
        }


def _printable(text: str) -> str:
    """Bounded, and free of what a terminal or a database would choke on."""
    kept = "".join(char if char.isprintable() else "\ufffd" for char in text[:MAX_DETAIL_CHARS])
    return kept.encode(errors="replace").decode()
