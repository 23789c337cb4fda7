"""What a text of the database can hold."""

import re

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
"""NUL characters and lone surrogates, which PostgreSQL refuses."""


def is_storable(text: str) -> bool:
    """Whether PostgreSQL can hold the text as it is."""
    return "\0" not in text if text.isascii() else _UNSTORABLE.search(text) is None


def storable(text: str) -> str:
    """The text without what PostgreSQL can't hold."""
    return _UNSTORABLE.sub("", text)
