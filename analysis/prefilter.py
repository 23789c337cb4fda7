"""The prefilter's rules as data. PostgreSQL applies them, set by set, so the rules are written in its regular
expressions; `db.windows` puts them into one statement and the tests run them there.

A message is dropped for the first reason that holds, in the order of `REASONS`. A keyword of the project or a mention
keeps a short message.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

REASONS = ("bot", "system", "placeholder", "no_text", "too_short", "small_talk", "no_keyword", "unlikely")
"""Written by a bot; by the chat server; stands for a missing text; has no letter or digit; under ten characters and
one word; nothing but small talk under ten characters; names no keyword of the run's project; asks and promises nothing
by the score of `analysis.asks`, which is asked only by `scored` and only about what the rules let pass."""

SHORT = 10
"""Characters under which a text must have two words that say something."""

MENTION = r"(?<![[:alnum:]_.+-])@[[:alnum:]_][[:alnum:]_.-]*(?!@)|<@[UW][A-Z0-9]+>"
"""`@name` or Slack's `<@U…>`; not the middle of an e-mail address."""

PLACEHOLDER = r"^\s*\[(no text( content)?|no content|media|sticker|photo|video|voice|gif|file|deleted)\]\s*$"

HAS_TEXT = r"[[:alnum:]]"

TWO_WORDS = r"[[:alnum:]_]+[^[:alnum:]_]+[[:alnum:]_]+"

_SMALL_TALK = (
    "a", "ah", "all", "am", "and", "bye", "cool", "fine", "go", "good", "great", "ha", "haha", "hello", "hey", "hi",
    "i", "is", "it", "k", "lol", "me", "nice", "no", "not", "np", "oh", "ok", "okay", "so", "thank", "thanks", "that",
    "thx", "to", "too", "ty", "u", "wow", "ya", "yay", "yeah", "yep", "yes", "yo", "you", "yup",
)  # fmt: skip
SMALL_TALK = r"^[^[:alnum:]]*((" + "|".join(_SMALL_TALK) + r")([^[:alnum:]]+|$))+$"


@dataclass(frozen=True)
class Rules:
    """The rules of one run. `keywords` is a pattern or None where the run has no keywords."""

    keywords: str | None = None
    active: bool = True
    scored: bool = False


def rules_for(mode: str, keywords: Sequence[str]) -> Rules:
    """The rules of a run with the option `prefilter` = `mode` and the keywords of its project."""
    return Rules(keyword_pattern(keywords), active=mode != "off", scored=mode == "scored")


def keyword_pattern(keywords: Sequence[str]) -> str | None:
    """A pattern that finds any of the keywords as whole words (`api` is not in `rapid`); None without keywords."""
    listed = sorted({keyword.strip() for keyword in keywords if keyword.strip()})
    if not listed:
        return None
    alternatives = "|".join(_escape(keyword) for keyword in listed)
    return rf"(?<![[:alnum:]_])(?:{alternatives})(?![[:alnum:]_])"


def _escape(keyword: str) -> str:
    """The keyword as literal text, any white space in it standing for any white space."""
    return r"\s+".join(re.sub(r"([^\w])", r"\\\1", word) for word in keyword.split())


def matched_keywords(keywords: Sequence[str], body: str) -> list[str]:
    """The keywords that stand in the text as whole words, in their order."""
    return [keyword for keyword in keywords if keyword.strip() and _in_text(keyword, body)]


def _in_text(keyword: str, body: str) -> bool:
    literal = r"\s+".join(re.escape(word) for word in keyword.split())
    return re.search(rf"(?<!\w){literal}(?!\w)", body, re.IGNORECASE) is not None
