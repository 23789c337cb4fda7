"""A message cut into sentences that people wrote: no code, no logs, no quotations, nothing that talks to a machine."""

import re
from dataclasses import dataclass

from llm.offline.names import Names, is_bot_name
from llm.offline.values import OfflineMessage

LONGEST_TEXT = 8_000
"""Characters of one message that are read; what comes after is pasted material."""
LONGEST_SENTENCE = 600
"""Characters of one sentence that patterns see."""
_MOST_SENTENCES = 60

_BREAK = re.compile(r" ⏎ |\r?\n")
_CODE = re.compile(r"```.*?(?:```|$)", re.DOTALL)
_LOG_LINE = re.compile(
    r"""^\s*(?:
        \[?\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d            # a time stamp opens the line
      | \[?\d\d:\d\d:\d\d[\].,]
      | (?:\[?(?:TRACE|DEBUG|INFO|WARN|WARNING|ERROR|FATAL|CRITICAL)\]?[: ]\s*[\[\w./]+[:(\]])
      | Traceback\ \(most | File\ ".*",\ line\ \d | at\ [\w$.<>]+\(.*\)
      | [$#]\ \w | [\w.-]+@[\w.-]+:[^ ]*[$#]\ | >>>\ | \+\+\+\ | ---\ a/ | diff\ --git | @@\ | \|\||\#\s*$
    )""",
    re.VERBOSE,
)
_QUOTED_LINE = re.compile(r"^\s*(?:>|&gt;)")
_STRUCK = re.compile(r"(?<![\w~])~{1,2}[^~\n]{2,}?~{1,2}(?![\w~])")
_END = re.compile(r"(?<=[.!?…])(?<!\be\.g\.)(?<!\bi\.e\.)(?<!\bvs\.)(?<!\bcf\.)[\"')\]]*\s+(?=\S)|;\s+")
_LINK = re.compile(r"<?\bhttps?://[^\s<>|]*(?:\|([^<>]*))?>?")
_DECORATION = re.compile(r"(?<!\w)[*_`]+(?=\S)|(?<=\S)[*_`]+(?!\w)")
_BULLET = re.compile(r"^(?:[-*•–]\s+|\(?\d{1,2}[.)]\s+|[a-c]\)\s+)")
_TICKED = re.compile(r"^(?:[-*•]\s*)?(?:\[[xX]\]|✅|☑️?|✔️?)\s")
_UNTICKED = re.compile(r"^(?:[-*•]\s*)?(?:\[ ?\]|☐)\s*")
_TO_MACHINES = re.compile(
    r"""\b(?:ignore|disregard|forget|override)\s+(?:(?:all|any|the|your|of|these|my)\s+)*
            (?:previous|prior|above|earlier|preceding|system|other|existing)\s+(?:\w+\s+)?
            (?:instruction|prompt|rule|message|direction)
      | \b(?:system\s+prompt|you\s+are\s+(?:now\s+)?(?:an?\s+)?(?:ai\b|llm|chatbot|language\s+model|assistant)
            |as\s+an\s+ai\b)
      | \b(?:note|message|instructions?|attention|dear|hey|hello)\s*(?:to|for|:)?\s+(?:the\s+|any\s+|all\s+)?
            (?:ai|llm|language\s+model|ai\s+assistant|summari[sz]er|extractor|task\s+extract\w+)\b
      | \b(?:ai|llm)s?\s+(?:assistant|model|agent|reader|system)s?\b\s*(?:[:,]|must|should|reading|that)
      | </?(?:system|instructions?|prompt)> | \[/?(?:INST|SYSTEM)\]
      | \boutput\s+(?:only|exactly|the\s+following)\b | \bconfidence\s*(?:=|:|of)\s*(?:1\.0|1\b|100)
    """,
    re.VERBOSE | re.IGNORECASE,
)


@dataclass(frozen=True)
class Sentence:
    """`raw` is a verbatim part of the message; `text` is what patterns read: names as marks, plain apostrophes, links
    shortened to their last parts. `listed` says that it stood as an item of a list."""

    raw: str
    text: str
    listed: bool = False


def talks_to_machines(text: str) -> bool:
    """Whether a text gives orders to a language model instead of talking to people."""
    return _TO_MACHINES.search(text[:LONGEST_TEXT]) is not None


def is_readable(message: OfflineMessage) -> bool:
    """Whether a person wrote the message, and to people."""
    return not is_bot_name(message.author) and not talks_to_machines(message.text)


def sentences_of(text: str, names: Names) -> tuple[Sentence, ...]:
    """The sentences of a message, in order. What isn't somebody's own words is left out."""
    text = text[:LONGEST_TEXT]
    found: list[Sentence] = []
    for start, end in _lines(_blank(text)):
        found.extend(_sentences_of_line(text, start, end, names))
        if len(found) >= _MOST_SENTENCES:
            break
    return tuple(found[:_MOST_SENTENCES])


def _blank(text: str) -> str:
    """The text with code blocks and struck-out parts as spaces: same length, so that offsets stay true."""
    for pattern in (_CODE, _STRUCK):
        text = pattern.sub(lambda match: " " * len(match[0]), text)
    return text


def _lines(text: str) -> list[tuple[int, int]]:
    """Offsets of the lines that a person wrote."""
    edges = [0]
    for match in _BREAK.finditer(text):
        edges += [match.start(), match.end()]
    edges.append(len(text))
    spans = zip(edges[::2], edges[1::2], strict=True)
    return [(a, b) for a, b in spans if text[a:b].strip() and not _is_foreign(text[a:b])]


def _is_foreign(line: str) -> bool:
    return bool(_QUOTED_LINE.match(line) or _LOG_LINE.match(line) or _TICKED.match(line.strip()))


def _sentences_of_line(text: str, start: int, end: int, names: Names) -> list[Sentence]:
    line = _blank(text[start:end])
    listed = bool(_BULLET.match(line.strip()) or _UNTICKED.match(line.strip()))
    found, at = [], 0
    for stop in [match.span() for match in _END.finditer(line)] + [(len(line), len(line))]:
        piece = line[at : stop[0]]
        if piece.strip():
            raw = text[start + at : start + stop[0]].strip()
            found.append(Sentence(raw, _plain(piece, names), listed))
        at = stop[1]
    return found


def _plain(piece: str, names: Names) -> str:
    """One sentence as the patterns read it."""
    piece = _UNTICKED.sub("", _BULLET.sub("", piece.strip()))
    piece = piece.replace("’", "'").replace("‘", "'").replace("`", "")
    piece = _LINK.sub(_short_link, piece)
    piece = _DECORATION.sub("", names.mark(piece))
    return " ".join(piece.split())[:LONGEST_SENTENCE]


def _short_link(match: re.Match[str]) -> str:
    """What a person would call the link: its label or the last two parts of its path."""
    if match[1]:
        return match[1]
    parts = [part for part in re.split(r"[/?#]", match[0].strip("<>").split("://", 1)[1]) if part]
    return "/".join(parts[1:][-2:] or parts[:1])[:60]
