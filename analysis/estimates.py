"""What a run will use, before it does."""

import json
from dataclasses import dataclass

from analysis.costs import estimate_tokens
from analysis.prompts import ProjectBrief, render
from analysis.proposals import answer_schema

SCHEMA_TOKENS = estimate_tokens(json.dumps(answer_schema()))
"""The answer's schema is a part of every request, in whichever output mode."""
CHARACTERS_PER_TOKEN = 4.3
"""Of chat."""
TOKENS_PER_MESSAGE = 24
"""Reference, author, time and brackets of a message's line."""
TYPICAL_ANSWER_TOKENS = 350
"""Where no call of the model has been counted yet."""
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
class Estimate:
    input_tokens: int
    output_tokens: int


def frame_tokens(system_prompt: str, project: ProjectBrief | None) -> int:
    """About the tokens of a request that shows no message."""
    prompt = render((), system_prompt=system_prompt, project=project)
    return SCHEMA_TOKENS + estimate_tokens(prompt.system) + estimate_tokens(prompt.user)


def estimate(work: Work, frame: int, past: Past | None) -> Estimate:
    """About what the work will use, with requests of `frame` tokens around it; the better, the more of the model's
    calls are known."""
    guess = _input_tokens(work, frame)
    if past is None or not past.work.batches:
        return Estimate(round(guess), work.batches * TYPICAL_ANSWER_TOKENS)
    counted = past.input_tokens / _input_tokens(past.work, frame)
    factor = min(max(counted, 1 / _FARTHEST), _FARTHEST)
    return Estimate(round(guess * factor), round(work.batches * past.output_tokens / past.work.batches))


def _input_tokens(work: Work, frame: int) -> float:
    return work.characters / CHARACTERS_PER_TOKEN + work.messages * TOKENS_PER_MESSAGE + work.batches * frame
