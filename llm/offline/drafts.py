"""A task in the making, and how far it can be trusted."""

from dataclasses import dataclass, field
from datetime import date

from llm.offline.cues import ActKind

LOWEST_CONFIDENCE = 0.5
"""Below this a draft is more likely noise than a task, and isn't proposed."""

PROMISES = ("promise", "plan", "offer")
"""Acts of somebody who speaks of their own work."""

_AS_SAID: dict[ActKind, float] = {
    "record": 0.95, "assign": 0.78, "ask": 0.7, "ask_any": 0.52, "promise": 0.75, "plan": 0.6, "offer": 0.25,
    "duty": 0.55, "idea": 0.3,
}  # fmt: skip
_ACCEPTED: dict[ActKind, float] = {
    "record": 0.95, "assign": 0.92, "ask": 0.92, "ask_any": 0.9, "promise": 0.85, "plan": 0.8, "offer": 0.82,
    "duty": 0.86, "idea": 0.75,
}  # fmt: skip


@dataclass
class Draft:
    """What the dialogue has gathered about one task so far. Persons are numbers of `Names`, positions are lines.

    `listeners` were asked; `guessed` says that the cue named nobody and the last speaker is meant. `accepted` means
    that the owner agreed, `refused` that who was asked said no, `dropped` that it is done or withdrawn.
    """

    kind: ActKind
    speaker: int
    phrase: str
    position: int
    listeners: tuple[int, ...] = ()
    guessed: bool = False
    owner: int | None = None
    accepted: bool = False
    refused: bool = False
    dropped: bool = False
    hedged: bool = False
    unclear: bool = False
    asks_for_answer: bool = False
    bare: bool = False
    laughing: bool = False
    due: date | None = None
    touched: int = 0
    evidence: list[tuple[int, str]] = field(default_factory=list)

    def cite(self, position: int, quote: str) -> None:
        """Rest the draft on one more sentence."""
        if (position, quote) not in self.evidence:
            self.evidence.append((position, quote))
        self.touched = max(self.touched, position)

    @property
    def is_open(self) -> bool:
        """Whether anybody may still take it."""
        return not self.dropped and (not self.accepted or self.owner is None)

    def confidence(self) -> float:
        """How often a reviewer would approve drafts of this kind: a guess, in steps that were set by hand.

        It starts from the kind of act and whether the owner agreed, and goes down for hedging, for a deliverable that
        had to be guessed, for a listener who had to be guessed, for an imperative to nobody by
        name, and for questions that want an answer, not work.
        """
        value = (_ACCEPTED if self.accepted else _AS_SAID)[self.kind]
        value -= 0.15 if self.hedged and self.kind != "idea" else 0.0
        value -= 0.2 if self.unclear else 0.0
        value -= 0.1 if self.guessed and not self.accepted else 0.0
        value -= 0.15 if self.asks_for_answer and not self.accepted else 0.0
        value -= 0.25 if self.laughing else 0.0
        value -= 0.15 if self.bare and self.guessed and not self.accepted else 0.0
        value += 0.05 if self.due else 0.0
        return round(min(max(value, 0.0), 0.98), 2)

    @property
    def is_task(self) -> bool:
        """Whether it is worth proposing: alive, not turned down, and likely enough."""
        turned_down = self.refused and not self.accepted
        return not self.dropped and not turned_down and self.confidence() >= LOWEST_CONFIDENCE
