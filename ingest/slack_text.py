"""Slack's markup as plain text."""

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

_MARKUP = re.compile(r"<([@#!][^<>\n]+|[A-Za-z][A-Za-z0-9+.-]*:[^<>\n]+)>|&(amp|lt|gt);")
_ENTITIES = {"amp": "&", "lt": "<", "gt": ">"}
_ENTITY = re.compile(r"&(amp|lt|gt);")
_SECRET = re.compile(r"xox[a-z]+-", re.IGNORECASE)


def plain_text(text: str, *, people: Mapping[str, str], channels: Mapping[str, str]) -> str:
    """Mentions become `@name` and `#name`, links their label and address, `&lt;` a `<`. Who is unknown keeps the id.

    `people` and `channels` map ids to names.
    """

    def replace(match: re.Match[str]) -> str:
        if match[1] is None:
            return _ENTITIES[match[2]]
        return _reference(match[1], people, channels)

    return _MARKUP.sub(replace, text)


def _reference(reference: str, people: Mapping[str, str], channels: Mapping[str, str]) -> str:
    target, _, label = (_unescape(part) for part in reference.partition("|"))
    if target.startswith("@"):
        return "@" + (people.get(target[1:]) or label.removeprefix("@") or target[1:])
    if target.startswith("#"):
        return "#" + (channels.get(target[1:]) or label.removeprefix("#") or target[1:])
    if target.startswith("!date"):
        return label
    if target.startswith("!"):
        return "@" + (label or target[1:]).removeprefix("@")
    return _link(target, label)


def _link(address: str, label: str) -> str:
    address = without_tokens(address)
    bare = address.removeprefix("mailto:").removeprefix("tel:")
    if not label or label == bare or bare.partition("://")[2].rstrip("/") == label.rstrip("/"):
        return bare
    return f"{label} ({bare})"


def without_tokens(address: str) -> str:
    """The address without the parameters that carry a Slack token (`?t=xoxe-…`)."""
    if not _SECRET.search(address):
        return address
    try:
        parts = urlsplit(address)
    except ValueError:
        return _SECRET.split(address)[0]
    kept = [(key, value) for key, value in parse_qsl(parts.query) if not _SECRET.match(value)]
    return _SECRET.split(urlunsplit(parts._replace(query=urlencode(kept), fragment="")))[0]


def _unescape(text: str) -> str:
    return _ENTITY.sub(lambda match: _ENTITIES[match[1]], text)
