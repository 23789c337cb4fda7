"""Sentences of letters with whether they ask the reader to do something, as a tab-separated file has them."""

from collections.abc import Iterator
from pathlib import Path

from errors import GleanerError


def read_letters(path: Path) -> Iterator[tuple[bool, str]]:
    """(whether it asks, the sentence) of each line, `Yes` or `No` first. GleanerError names the first line that is
    none."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise GleanerError("unreadable", f"{path} can't be read as text: {error}") from error
    for number, line in enumerate(lines, 1):
        label, tab, sentence = line.partition("\t")
        if not tab or label not in ("Yes", "No"):
            raise GleanerError("bad_label", f"Line {number} of {path} is not `Yes` or `No`, a tab and a sentence.")
        yield label == "Yes", sentence
