"""Training the small model of `prefilter: scored` from labelled sentences."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import log, sqrt
from pathlib import Path

import numpy as np

from analysis.asks import BUCKETS, AskModel, evened, features, is_english, promises, sentences
from errors import GleanerError
from evaluation.letters import read_letters
from evaluation.talks import talks

RECALL = 0.95
"""Of the asks, held back in turn: what the threshold is chosen for."""
FOLDS = 10
PASSES = 15
COST = 0.012
"""Of a wrong side, against large weights."""
SCALE = 400
"""Of the whole numbers that the weights become. The few weights of a third of 1 and more are cut to 127."""
OWN_TIMES = 3
"""How often a line of our own counts: there are few, and they are chat."""
ALWAYS = 1 << 20
"""A score above every threshold."""
_SEED = 1


@dataclass(frozen=True)
class Labelled:
    """A sentence as its features, whether it asks for something, and whether it promises something, which keeps it
    anyway."""

    asks: bool
    promises: bool
    features: tuple[int, ...]


@dataclass(frozen=True)
class Trained:
    """A model and how it did on sentences that it hadn't seen: the share of the asks that it kept, of all sentences
    that it dropped, and of the others than asks that it dropped."""

    model: AskModel
    sentences: int
    recall: float
    dropped: float
    others_dropped: float


def read_labelled(path: Path) -> list[Labelled]:
    """The sentences of a file as `read_letters` takes it."""
    return [_labelled(asks, sentence) for asks, sentence in read_letters(path)]


def own_lines() -> list[Labelled]:
    """The lines of the project's own cases, to know chat as well as letters. The cases that are kept back are not
    here."""
    found = []
    for talk in talks("cases"):
        shown = {ref for task in talk.tasks for ref in task.refs()}
        for message in talk.messages:
            asks = (message.channel, message.external_id) in shown
            parts = sentences(message.content)
            # Of several sentences nobody has said which one asks.
            if is_english(message.content) and not message.is_bot and (len(parts) == 1 or not asks):
                found += [_labelled(asks, part) for part in parts]
    return found


def _labelled(asks: bool, sentence: str) -> Labelled:
    return Labelled(asks, promises(sentence), tuple(sorted(features(sentence))))


def train(labelled: Sequence[Labelled], own: Sequence[Labelled] = ()) -> Trained:
    """The model of all sentences, its threshold and figures from each tenth of `labelled` in turn as judged by a model
    of the others. `own` is only learnt from."""
    if not any(one.asks for one in labelled) or all(one.asks for one in labelled):
        raise GleanerError("one_label", "Sentences of both labels are needed.")
    learnt = [*own] * OWN_TIMES
    order = list(range(len(labelled)))
    random.Random(_SEED).shuffle(order)  # noqa: S311 - a sample, no secret
    scores = [0] * len(labelled)
    for fold in range(FOLDS):
        judge = _fit([labelled[number] for at, number in enumerate(order) if at % FOLDS != fold] + learnt)
        for number in order[fold::FOLDS]:
            one = labelled[number]
            scores[number] = ALWAYS if one.promises else _score(judge, one)
    of_asks = sorted(score for score, one in zip(scores, labelled, strict=True) if one.asks)
    threshold = of_asks[int((1 - RECALL) * len(of_asks))]
    of_others = [score for score, one in zip(scores, labelled, strict=True) if not one.asks]
    model = _fit([*labelled, *learnt])
    return Trained(
        model=AskModel(model.weights, model.bias, threshold),
        sentences=len(labelled),
        recall=sum(score >= threshold for score in of_asks) / len(of_asks),
        dropped=sum(score < threshold for score in scores) / len(scores),
        others_dropped=sum(score < threshold for score in of_others) / len(of_others),
    )


def _score(model: AskModel, one: Labelled) -> int:
    return model.bias + int(model.weights[list(one.features)].sum() * evened(len(one.features)))


def _fit(labelled: Sequence[Labelled]) -> AskModel:
    """A linear support vector machine by dual coordinate descent (Hsieh et al., ICML 2008: L2 loss, algorithm 1) over
    features as large as they are telling."""
    chance = random.Random(_SEED)  # noqa: S311 - a sample, no secret
    sizes = _sizes(labelled)
    evens = evened([len(one.features) for one in labelled]).tolist()
    lengths = [
        even**2 * sum([sizes[bucket] ** 2 for bucket in one.features])
        for one, even in zip(labelled, evens, strict=True)
    ]
    weights, bias = [0.0] * BUCKETS, 0.0
    duals = [0.0] * len(labelled)
    diagonal = 1 / (2 * COST)
    order = list(range(len(labelled)))
    for _ in range(PASSES):
        chance.shuffle(order)
        for number in order:
            one = labelled[number]
            side = 1.0 if one.asks else -1.0
            told = sum([weights[bucket] * sizes[bucket] for bucket in one.features])
            margin = side * (bias + evens[number] * told)
            gradient = margin - 1 + diagonal * duals[number]
            dual = max(duals[number] - gradient / (lengths[number] + 1 + diagonal), 0.0)
            step = side * (dual - duals[number])
            duals[number] = dual
            if step:
                bias += step
                for bucket in one.features:
                    weights[bucket] += step * evens[number] * sizes[bucket]
    sums = (weight * size for weight, size in zip(weights, sizes, strict=True))
    rounded = [max(-127, min(127, round(weight * SCALE))) for weight in sums]
    return AskModel(np.array(rounded, np.int8), round(bias * SCALE), 0)


def _sizes(labelled: Sequence[Labelled]) -> list[float]:
    """How telling each feature is by itself: the log of how much oftener asks have it than other talk, or the other
    way round (Wang & Manning, ACL 2012). Its square root did better than itself on sentences held back."""
    of_asks = _shares(one.features for one in labelled if one.asks)
    of_others = _shares(one.features for one in labelled if not one.asks)
    return [sqrt(abs(log(asks / others))) for asks, others in zip(of_asks, of_others, strict=True)]


def _shares(found: Iterable[Sequence[int]]) -> list[float]:
    """Each feature's part of all, as if each had been seen once more."""
    counts = [1] * BUCKETS
    for buckets in found:
        for bucket in buckets:
            counts[bucket] += 1
    total = sum(counts)
    return [count / total for count in counts]
