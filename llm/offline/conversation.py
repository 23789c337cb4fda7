"""What was said so far and what came of it: whom a line speaks to, and what it can still reach."""

import re
from datetime import timedelta

from llm.offline.answers import REACH
from llm.offline.cues import Act
from llm.offline.drafts import Draft
from llm.offline.lines import Line
from llm.offline.names import Names
from llm.offline.sentences import Sentence

_PATIENCE = timedelta(days=3)
"""Time after which a reply no longer answers."""
_OPENING_NAMES = re.compile(r"^(?:\w+[\s,]+){0,2}?((?:@§\d+[\s,:;\-–—]*(?:and |& )?)+)")
_CLOSING_NAME = re.compile(r"[,?!.]\s*(@§\d+)\s*[?!.]*$")


class Conversation:
    """The lines so far and the drafts that they gave."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self.lines: list[Line] = []
        self.drafts: list[Draft] = []

    def listeners(self, line: Line) -> tuple[int, ...]:
        """Whom the message addresses as a whole: the names that open it."""
        head = _OPENING_NAMES.match(line.sentences[0].text) if line.sentences else None
        found = self.names.found(head[1]) if head else ()
        return tuple(number for number in found if number != line.author)

    def asked(
        self, line: Line, sentence: Sentence, act: Act, listeners: tuple[int, ...]
    ) -> tuple[tuple[int, ...], bool]:
        """(who is asked by an act, whether that is a guess)."""
        named = self.names.found(act.named or "") or self.names.found(act.before)
        closing = _CLOSING_NAME.search(sentence.text)
        if not named and closing:
            named = self.names.found(closing[1])
        named = tuple(number for number in named or listeners if number != line.author)
        if named:
            return named, False
        other = self._last_other(line)
        return ((other,) if other is not None else ()), True

    def _last_other(self, line: Line) -> int | None:
        """Who spoke last before this line, besides its author."""
        for earlier in reversed(self.lines[-6:]):
            if earlier.author != line.author:
                return earlier.author if earlier.talk == line.talk else None
        return None

    def are_two(self, line: Line) -> bool:
        """Whether the talk is between two so far, so that "you" is the other one."""
        recent = [e for e in self.lines[-6:] if e.talk == line.talk]
        return len(recent) > 1 and len({line.author, *(e.author for e in recent)}) == 2

    def recent(self, line: Line) -> list[Draft]:
        """The live drafts that a reply may still reach, latest first."""
        return [
            draft
            for draft in reversed(self.drafts[-40:])
            if not draft.dropped
            and line.position - draft.touched <= REACH
            and self.concerns(draft, line)
            and line.sent_at - self.lines[draft.touched].sent_at < _PATIENCE
        ]

    def concerns(self, draft: Draft, line: Line) -> bool:
        """Whether a line may speak of a draft: of its own talk, or of another one that its author has to do with."""
        involved = line.author == draft.owner or (line.author in draft.listeners and not draft.guessed)
        return involved or draft.touched == line.position or self.lines[draft.touched].talk == line.talk

    def keep(self, draft: Draft) -> Draft:
        self.drafts.append(draft)
        return draft
