"""One message in the order of its conversation, and what earlier ones speak of."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import NamedTuple

from llm.offline.cues import Act
from llm.offline.deliverables import Deliverable, deliverable_of
from llm.offline.patterns import pattern
from llm.offline.phrases import content_words
from llm.offline.sentences import Sentence

_LOOK_BACK = 14
_LOOK_BACK_FOR_ACTION = 30
STANDS_FOR_ACTION = pattern(
    r"\b(?:the|that|this) (?:change|action|job|task|previous action|honou?rs)\b|previous action"
)
"""Objects that stand for something to do, not for a thing."""
_BUG_HEADING = re.compile(r"(?:bug(?: report)?|defect|regression)\s*[:–—-]\s", re.IGNORECASE)
_BUG_PART = re.compile(r"(?:steps|to reproduce|repro|expected|actual|got|instead|happens|what i did)\b", re.IGNORECASE)
_CONTINUES = re.compile(r"(?:and|also|plus|it|they|oh and|btw|same)\b", re.IGNORECASE)
_SEVERAL = re.compile(r"\b(?:both|them|these|those|all)\b", re.IGNORECASE)


class Mention(NamedTuple):
    """Something that a sentence (`quote`) of the line at `position` speaks of."""

    thing: Deliverable
    quote: str
    position: int

    @property
    def is_question(self) -> bool:
        """Whether it only asks for a fact."""
        return self.thing.form == "clause" and self.quote.rstrip().endswith("?")


@dataclass
class Line:
    """`author` is a number of `Names`, `position` counts the messages of context and batch, `talk` the talks: a thread
    or a pause begins a new one. `alone`: nobody says anything for hours around it."""

    position: int
    author: int
    sent_at: datetime
    sentences: tuple[Sentence, ...]
    talk: int = 0
    alone: bool = False
    _about: list[Mention] | None = field(default=None, repr=False)

    @property
    def day(self) -> date:
        return self.sent_at.date()

    def about(self) -> list[Mention]:
        """What its sentences speak of, last sentence first."""
        if self._about is None:
            found = ((deliverable_of(sentence), sentence.raw) for sentence in reversed(self.sentences))
            self._about = [Mention(thing, raw, self.position) for thing, raw in found if thing is not None]
        return self._about


def is_bug_report(line: Line) -> bool:
    """Whether a message has the form of a bug report: "Bug: …", or steps and what was expected."""
    texts = [sentence.text for sentence in line.sentences]
    if any(_BUG_HEADING.match(text) for text in texts[:1]):
        return True
    return len({found[0].lower()[:6] for text in texts for found in [_BUG_PART.match(text)] if found}) >= 2


def earlier_in_message(line: Line, index: int, act: Act) -> Mention | None:
    """What the same message spoke of before the cue of `act`, which stands in its sentence `index`."""
    raw = line.sentences[index].raw
    thing = deliverable_of(Sentence(raw, act.before)) if len(content_words(act.before)) >= 2 else None
    if thing is not None:
        return Mention(thing, raw, line.position)
    for sentence in reversed(line.sentences[:index]):
        thing = deliverable_of(sentence)
        if thing is not None:
            return Mention(thing, sentence.raw, line.position)
    return None


def look_back(
    lines: Sequence[Line], line: Line, phrase: str, *, listeners: tuple[int, ...], own_first: bool
) -> Mention | None:
    """What "it" in `phrase` most likely is, by the `lines` before `line`.

    The last words of who is spoken to come first, then the speaker's own last lines (`own_first`: requests) or those
    of others (promises), then whatever is nearest.
    """
    if STANDS_FOR_ACTION.search(phrase):
        for earlier in reversed(lines[-_LOOK_BACK_FOR_ACTION:]):
            for mention in earlier.about():
                if mention.thing.form == "action":
                    return mention
    recent = lines[-_LOOK_BACK:]
    if any(earlier.talk == line.talk for earlier in recent):
        recent = [earlier for earlier in recent if earlier.talk == line.talk]
    spoken_to = [e for e in recent[-8:] if e.author in listeners]
    preferred = [e for e in recent[-3:] if (e.author == line.author) == own_first]
    mentions = [
        mention
        for earlier in [*reversed(spoken_to), *reversed(preferred), *reversed(recent)]
        for mention in earlier.about()[:1]
    ]
    return next((mention for mention in mentions if not mention.is_question), mentions[0] if mentions else None)


def told_in_pieces(lines: Sequence[Line], line: Line, mention: Mention, phrase: str) -> list[Mention]:
    """Where the author of `mention` began what its quote goes on with ("and it also …", "fix both"), latest first."""
    if mention.position == line.position or not (_CONTINUES.match(mention.quote) or _SEVERAL.search(phrase)):
        return []
    pieces: list[Mention] = []
    for earlier in reversed(lines[max(mention.position - 3, 0) : mention.position]):
        if earlier.author != lines[mention.position].author or not earlier.about():
            break
        pieces.append(earlier.about()[0])
    return pieces
