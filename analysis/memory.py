"""What is known of a new proposal: whether it says again what an earlier run said, and what it resembles.

A proposal repeats an earlier one where both rest on the same messages and say nearly the same. Two tasks of one message
stay two, and so do two titles that name different numbers.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from types import MappingProxyType
from typing import Literal
from uuid import UUID

from rapidfuzz import fuzz, utils

from analysis.duplicates import SAME_WORDS, Comparison, compare
from analysis.same_work import Pair
from models.values import Recommendation, RejectReason, SimilarityType, SuppressedReason

SAME_WITH_EVIDENCE = 0.6
"""How alike two titles are at least that say the same where both rest on a message."""
SAME_ALONE = 0.4
"""The same where both rest on exactly the same messages and nothing else does: models, and people who correct what they
wrote, find other words."""
SAME_IN_OTHER_WORDS = 0.9
"""How alike they are where a wish that was turned down comes again in new messages."""
TURNED_DOWN: tuple[RejectReason, ...] = ("not_a_task", "duplicate")
"""Rejections that hold for the same wish in new messages. What was done before may be to do again."""

Fate = Literal["pending", "rejected", "task"]
Verdicts = Mapping[Pair, bool]
"""Whether the two titles of a pair mean the same work."""
_ADVICE: dict[Fate, Recommendation] = {"task": "update_existing", "pending": "merge"}


@dataclass(frozen=True)
class Remembered:
    """An earlier proposal, or a task, as one new proposal sees it. `own`: it is of the same run.

    `shared`: both rest on a message, `same`: on exactly the same ones. `fresh`: the new one rests on a message that the
    earlier run hadn't in its hands; `edited`: on one that it had with other words. `nearness` of what the two titles
    mean is 0 to 1, None where nobody measured it.
    """

    title: str
    fate: Fate
    proposal_id: UUID | None = None
    task_id: UUID | None = None
    reject_reason: RejectReason | None = None
    shared: bool = False
    same: bool = False
    fresh: bool = True
    edited: bool = False
    nearness: float | None = None
    own: bool = False


@dataclass(frozen=True)
class Recollection:
    """What becomes of a new proposal. `suppressed` None: it is to be reviewed.

    `recommends` what to do where it surely means the same as the earlier one that is shown; `comparison` says how their
    titles differ. `score` is how alike that one is, `nearest` how alike any is, 0 to 1.
    """

    suppressed: SuppressedReason | None = None
    recommends: Recommendation | None = None
    comparison: Comparison | None = None
    proposal_id: UUID | None = None
    task_id: UUID | None = None
    score: float | None = None
    type: SimilarityType = "none"
    nearest: float = 0.0


def recall(
    titles: Sequence[str], known: Sequence[Sequence[Remembered]], judged: Verdicts = MappingProxyType({})
) -> list[Recollection]:
    """For the proposals of one batch, each with what is remembered that may concern it; `judged` are the doubtful pairs
    of titles that a model looked at.

    An earlier proposal is repeated by the one that is most like it, and by others only in its very words.
    """
    pairs = sorted(
        (
            (likeness(title, one.title, same_evidence=True), at, one)
            for at, title in enumerate(titles)
            for one in known[at]
            if one.shared
        ),
        key=lambda pair: (-pair[0], pair[2].fate != "task"),
    )
    alone = _alone(known)
    found: dict[int, Recollection] = {}
    repeated: set[UUID | None] = set()
    for score, at, one in pairs:
        if at in found or score < (SAME_ALONE if one.same and at in alone else SAME_WITH_EVIDENCE):
            continue
        if one.proposal_id in repeated and likeness(titles[at], one.title) < SAME_IN_OTHER_WORDS:
            continue
        if "opposite" in compare(titles[at], one.title, score).conflicts:
            continue
        repeated.add(one.proposal_id)
        found[at] = _repeat(titles[at], one, score)
    return [
        replace(
            found.get(at) or _resemblance(title, known[at], judged),
            nearest=max((_resembles(title, one, judged) for one in known[at]), default=0.0),
        )
        for at, title in enumerate(titles)
    ]


def doubtful(titles: Sequence[str], known: Sequence[Sequence[Remembered]]) -> list[Pair]:
    """The pairs of a new title and an earlier one of which the rules only say that they may mean the same, the likest
    first."""
    nearness = {
        Pair(title, one.title): _nearness(title, one)
        for title, ones in zip(titles, known, strict=True)
        for one in ones
        if not one.shared and _compared(title, one, {}).verdict == "possible"
    }
    return sorted(nearness, key=lambda pair: (-nearness[pair], pair))


def _alone(known: Sequence[Sequence[Remembered]]) -> set[int]:
    """The places of the new proposals that have one earlier proposal on the same messages, which is no other's."""
    same = [[one.proposal_id for one in ones if one.same] for ones in known]
    counts = Counter(proposal_id for ids in same for proposal_id in ids)
    return {at for at, ids in enumerate(same) if len(ids) == 1 and counts[ids[0]] == 1}


@lru_cache(maxsize=4096)  # several questions about the same two follow each other
def likeness(one: str, other: str, *, same_evidence: bool = False) -> float:
    """How alike two titles are, 0 to 1, whatever the order of the words. For the `same_evidence` it is enough that most
    words of the shorter one are in the other. Titles that name different numbers are not alike at all."""
    first, second = _words(one), _words(other)
    if not first or not second:
        return 0.0
    numbers, others = _numbers(first), _numbers(second)
    if numbers != others and not (same_evidence and (numbers <= others or others <= numbers)):
        return 0.0
    score = fuzz.token_sort_ratio(" ".join(first), " ".join(second)) / 100
    if same_evidence:
        score = max(score, len({*first} & {*second}) / min(len({*first}), len({*second})))
    return score


@lru_cache(maxsize=4096)
def _words(title: str) -> tuple[str, ...]:
    return tuple(utils.default_process(title).split())


@lru_cache(maxsize=4096)
def _numbers(words: tuple[str, ...]) -> frozenset[str]:
    return frozenset(word for word in words if any(letter.isdigit() for letter in word))


def _repeat(title: str, one: Remembered, score: float) -> Recollection:
    """The same messages and the same meaning. Who edits a message may add to a task, but makes none of a refusal."""
    found = Recollection(proposal_id=one.proposal_id, task_id=one.task_id, score=score, type="exact_messages")
    reworded = one.edited and one.fate != "rejected" and likeness(title, one.title) < SAME_IN_OTHER_WORDS
    if one.fresh or reworded:
        return replace(found, recommends=_ADVICE.get(one.fate), comparison=compare(title, one.title, score))
    reasons: dict[Fate, SuppressedReason] = {
        "pending": "pending_elsewhere",
        "rejected": "rejected_before",
        "task": "known_task",
    }
    return replace(found, suppressed=reasons[one.fate])


def _resemblance(title: str, known: Sequence[Remembered], judged: Verdicts) -> Recollection:
    """Other messages and nearly the same meaning. What shares messages and isn't a repeat is another task of theirs."""
    alike = [
        (comparison, _nearness(title, one), one)
        for one in known
        if not one.shared
        for comparison in (_compared(title, one, judged),)
        if comparison.verdict != "different"
    ]
    if not alike:
        return Recollection()
    comparison, score, one = max(
        alike, key=lambda entry: (entry[0].verdict == "same", entry[1], entry[2].fate == "task")
    )
    found = Recollection(
        recommends=_ADVICE.get(one.fate) if comparison.verdict == "same" else None,
        comparison=comparison,
        proposal_id=one.proposal_id,
        task_id=one.task_id,
        score=score,
        type="semantic",
    )
    if one.fate == "rejected" and one.reject_reason in TURNED_DOWN and _says_it_again(title, one, comparison):
        return replace(found, suppressed="rejected_before")
    return found


def _says_it_again(title: str, one: Remembered, comparison: Comparison) -> bool:
    return comparison.verdict == "same" and likeness(title, one.title) >= SAME_IN_OTHER_WORDS


def _compared(title: str, one: Remembered, judged: Verdicts) -> Comparison:
    """What the rules say, and the model where they leave it open."""
    nearness = _nearness(title, one)
    if nearness < SAME_WORDS:  # most of what is remembered: the words needn't be looked at one by one
        return Comparison("different")
    comparison = compare(title, one.title, nearness)
    same = judged.get(Pair(title, one.title)) if comparison.verdict == "possible" else None
    return comparison if same is None else replace(comparison, verdict="same" if same else "different")


def _resembles(title: str, one: Remembered, judged: Verdicts) -> float:
    """How alike they are. What is surely another task is so by its words alone, and one of the same run not at all: in
    one talk many tasks are worded alike."""
    if _compared(title, one, judged).verdict != "different":
        return _nearness(title, one)
    return 0.0 if one.own else likeness(title, one.title)


def _nearness(title: str, one: Remembered) -> float:
    """The likeness of the words stands in where the meanings weren't measured. Vectors of the same title may come out
    a hair nearer than the same."""
    return min(1.0, max(likeness(title, one.title), one.nearness or 0.0))
