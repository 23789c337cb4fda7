"""What a run will use, before it does."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from analysis.answers import answer_schema
from analysis.prompts import ProjectBrief, render
from analysis.tokenizers import Counter
from models.conversation import ChatMessage

T = TypeVar("T")

SCHEMA = json.dumps(answer_schema())
"""The answer's schema is a part of every request, in whichever output mode."""
CHARACTERS_PER_TOKEN = 4.3
"""Of chat, where nobody counts."""
TOKENS_PER_MESSAGE = 24
"""Reference, author, time and brackets of a message's line, where nobody counts."""
TYPICAL_ANSWER_TOKENS = 350
"""Where no call of the model has been counted yet."""
_FENCE = "5f0c9a1be27d4683"
"""One of those that are drawn, so that the same preview says the same twice."""
_FARTHEST = 4.0
"""How far calls of the past may move an estimate: what is beyond has another reason than the tokenizer."""


@dataclass(frozen=True)
class Work:
    """Batches of messages: how many, and the characters in them."""

    batches: int
    messages: int
    characters: int


@dataclass(frozen=True)
class Past:
    """What a model used for such work, as its provider counted it."""

    work: Work
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True)
class Counted:
    """Some batches of the work, and the tokens of their messages' lines."""

    work: Work
    tokens: int


@dataclass(frozen=True)
class Estimate:
    input_tokens: int
    output_tokens: int


class EvenSample(Generic[T]):
    """Some of what is added, evenly over all of it: all up to twice `least`, and at least `least` however much comes.

    `seen` is how much came.
    """

    def __init__(self, least: int) -> None:
        self._least = least
        self._step = 1
        self._taken: list[T] = []
        self.seen = 0

    def add(self, item: T) -> None:
        if self.seen % self._step == 0:
            self._taken.append(item)
        self.seen += 1
        if len(self._taken) > 2 * self._least:
            del self._taken[1::2]
            self._step *= 2

    def __iter__(self) -> Iterator[T]:
        return iter(self._taken)


def frame_tokens(system_prompt: str, project: ProjectBrief | None, count: Counter) -> int:
    """The tokens of a request that shows no message."""
    prompt = render((), system_prompt=system_prompt, project=project, fence=_FENCE)
    return count(SCHEMA) + count(prompt.system) + count(prompt.user)


def counted(batches: Iterable[Sequence[ChatMessage]], count: Counter) -> Counted:
    """What the batches' messages count as they will be shown."""
    number = messages = characters = tokens = 0
    around = count(render((), fence=_FENCE).user)
    for batch in batches:
        number += 1
        messages += len(batch)
        characters += sum(len(message.text) for message in batch)
        tokens += count(render(batch, fence=_FENCE).user) - around
    return Counted(Work(number, messages, characters), tokens)


def estimate(work: Work, frame: int, past: Past | None, counted: Counted | None = None) -> Estimate:
    """About what the work will use, with requests of `frame` tokens around it.

    The better, the more is known: what a part of it counts, and what the model's calls have used.
    """
    guessed = _line_tokens(counted.work) if counted else 0.0
    density = counted.tokens / guessed if counted and guessed else 1.0
    guess = density * _line_tokens(work) + work.batches * frame
    if past is None or not past.work.batches:
        return Estimate(round(guess), work.batches * TYPICAL_ANSWER_TOKENS)
    used = past.input_tokens / (density * _line_tokens(past.work) + past.work.batches * frame)
    factor = min(max(used, 1 / _FARTHEST), _FARTHEST)
    # What an answer holds comes from the messages: a batch of fifty has more tasks than one of five.
    return Estimate(round(guess * factor), round(work.messages * past.output_tokens / max(past.work.messages, 1)))


def _line_tokens(work: Work) -> float:
    return work.characters / CHARACTERS_PER_TOKEN + work.messages * TOKENS_PER_MESSAGE
