"""How the long patterns and word lists of this package are written down."""

import re


def one_line(text: str) -> str:
    """`text` with its line breaks and indentation taken out; other spaces count."""
    return "".join(line.strip() for line in text.splitlines())


def pattern(text: str) -> re.Pattern[str]:
    """A pattern that ignores case, written over as many lines as it needs."""
    return re.compile(one_line(text), re.IGNORECASE)


def word_set(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())
