"""Which drafts a reply may mean."""

import re
from collections.abc import Iterator, Sequence

from llm.offline.drafts import Draft
from llm.offline.lines import Line
from llm.offline.patterns import pattern
from llm.offline.phrases import content_words
from llm.offline.replies import Stance, opening, stance_of
from llm.offline.sentences import Sentence

REACH = 15
"""Lines after which a reply no longer answers."""
NEAR = 5
"""Lines within which a reply may answer somebody who didn't name its author."""
_OPEN_TO_ALL = ("ask", "ask_any", "duty", "idea")
_PLAINLY_DONE = re.compile(r"(?:all |it's |that's )?done(?:[,.!:;]|$| -)", re.IGNORECASE)
_MEETING_DONE = pattern(r"(?:ok(?:ay)?,? )?(?:i'm|i am|we're|we are|i think (?:we're|i'm)) done\b")
_HANDS_OVER = pattern(
    r"""
    \bleave (?:it|that|this|them) (?:to|with) me\b|
    \bi(?:'ll| will| can) (?:take|handle|do) (?:it|that|this|over)\b
    """
)
_DONE_WORDS = content_words(
    "done fix fixed merged deployed pushed sent finished completed uploaded restarted updated shipped resolved sorted"
    " released renewed rotated reviewed reverted rolled already earlier yesterday exists"
)
"""What "already fixed" says besides naming the work."""


def answer_of(line: Line) -> tuple[Stance, Sentence] | None:
    """The clearest answer among the first sentences of a message, with its sentence."""
    found = ((stance_of(sentence.text), sentence) for sentence in line.sentences[:3])
    answers = [(stance, sentence) for stance, sentence in found if stance is not None]
    if not answers:
        return None
    strongest = [answer for wanted in ("withdraws", "takes") for answer in answers if answer[0] == wanted]
    return strongest[0] if strongest else answers[0]


def targets(
    stance: Stance, line: Line, sentence: Sentence, listeners: tuple[int, ...], recent: Sequence[Draft]
) -> Iterator[Draft]:
    """The `recent` drafts (latest first) that an answer may mean, likeliest first."""
    if stance == "withdraws":
        yield from (d for d in recent if line.author in (d.speaker, d.owner))
        yield from (d for d in recent if line.position - d.touched <= 2)
    elif stance == "defers":
        yield from (d for d in recent if d.speaker != line.author and not d.accepted and line.position - d.touched <= 2)
    elif stance == "done":
        if not _MEETING_DONE.match(opening(sentence.text)):
            yield from (d for d in recent if _may_be_done(d, line, sentence))
    else:
        yield from _answerable(stance, line, sentence, listeners, recent)


def _answerable(
    stance: Stance, line: Line, sentence: Sentence, listeners: tuple[int, ...], recent: Sequence[Draft]
) -> Iterator[Draft]:
    """The drafts of others that wait for an answer."""
    author = line.author
    theirs = [d for d in recent if d.speaker != author and d.is_open and (not listeners or d.speaker in listeners)]
    near = [d for d in theirs if line.position - d.touched <= NEAR]
    yield from (d for d in theirs if author in d.listeners and not d.guessed)
    if stance == "refuses":
        yield from (d for d in near if author in d.listeners or d.kind in ("idea", "offer"))
        return
    reach = 3 if stance == "takes" else 1
    yield from (d for d in near if d.guessed and (author in d.listeners or line.position - d.touched <= reach))
    if stance == "agrees":
        yield from (d for d in near if d.kind == "offer")
        yield from (d for d in near if d.kind in ("idea", "duty") and line.position - d.touched <= 2)
        return
    yield from (d for d in near if d.kind in _OPEN_TO_ALL)
    yield from (d for d in recent if d.speaker == author and d.owner is None and d.is_open)
    if _HANDS_OVER.search(sentence.text):
        close = (d for d in recent if d.speaker != author and line.position - d.touched <= 3 and author != d.owner)
        yield from (d for d in close if d.kind in ("promise", "plan", "record", "assign"))


def _may_be_done(draft: Draft, line: Line, sentence: Sentence) -> bool:
    """Whether "done" can mean this draft: the right person says it, of nothing else."""
    if line.author not in (draft.owner, *draft.listeners) and draft.kind not in ("ask_any", "duty", "idea"):
        return False
    about = content_words(sentence.text) - _DONE_WORDS
    return bool(_PLAINLY_DONE.match(opening(sentence.text)) or not about or about & content_words(draft.phrase))
