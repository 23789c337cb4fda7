"""Whether two titles mean the same work.

Nearness of meaning finds candidates and never decides: "add" is near "remove", and the docs of one part near those of
another. So titles that are near are compared word by word, and only where nothing tells them apart are they the same.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from analysis import wording
from analysis.wording import Word

SAME_WORDS = 0.5
"""How near titles are at least that differ in no word, to be the same."""
SAME_AND_MORE = 0.7
"""The same where one of them says more, for titles that have `ENOUGH` words in common."""
SAME_AND_MUCH_MORE = 0.85
"""The same where they have fewer: "install it" is not all that there is to install."""
ENOUGH = 3
POSSIBLE = 0.7
"""How near they are where both say something of their own, for a reviewer to be told."""

Verdict = Literal["same", "possible", "different"]
Conflict = Literal["number", "opposite", "choice", "name"]


@dataclass(frozen=True)
class Comparison:
    """Of a new title with an earlier one. `added` are the words that only the new one has, `missing` those that only
    the earlier one has; `conflicts` say why they can't be the same."""

    verdict: Verdict
    added: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    conflicts: tuple[Conflict, ...] = ()

    def summary(self) -> dict[str, object]:
        """What a reviewer is shown of it."""
        verdict = "duplicate" if self.verdict == "same" else "possible_duplicate"
        return {"verdict": verdict, "added": list(self.added), "missing": list(self.missing)}


@lru_cache(maxsize=4096)
def compare(new: str, earlier: str, nearness: float) -> Comparison:
    """`nearness` of the two meanings is 0 to 1."""
    first, second = wording.words(new), wording.words(earlier)
    if not first or not second:
        return Comparison("different")
    added, missing = _without(first, second, wording.same_word), _without(second, first, wording.same_word)
    conflicts = tuple(_conflicts(first, second, added, missing))
    added, missing = ([word for word in left if not wording.is_light(word)] for left in (added, missing))
    added, missing = _without(added, missing, wording.synonyms), _without(missing, added, wording.synonyms)
    if _problem_and_cure(added, missing) or _problem_and_cure(missing, added):
        added = missing = []
    shared = min(len(first) - len(added), len(second) - len(missing))
    return Comparison(
        "different" if conflicts else _verdict(bool(added), bool(missing), shared, nearness),
        tuple(word.text for word in added),
        tuple(word.text for word in missing),
        conflicts,
    )


def _verdict(more: bool, less: bool, shared: int, nearness: float) -> Verdict:
    if not more and not less:
        return "same" if nearness >= SAME_WORDS else "different"
    enough = SAME_AND_MORE if shared >= ENOUGH else SAME_AND_MUCH_MORE
    if nearness >= enough and not (more and less):
        return "same"
    return "possible" if nearness >= POSSIBLE else "different"


def _conflicts(
    first: tuple[Word, ...], second: tuple[Word, ...], added: Sequence[Word], missing: Sequence[Word]
) -> list[Conflict]:
    found: list[Conflict] = []
    numbers = wording.numbers(first), wording.numbers(second)
    pairs = [(one, other) for one in added for other in missing]
    if all(numbers) and numbers[0] != numbers[1]:
        found.append("number")
    if any(wording.opposites(*pair) for pair in pairs):
        found.append("opposite")
    if any(wording.alternatives(*pair) for pair in pairs):
        found.append("choice")
    if any(word.name for word in added) and any(word.name for word in missing):
        found.append("name")
    return found


def _without(left: Sequence[Word], right: Sequence[Word], alike: Callable[[Word, Word], bool]) -> list[Word]:
    stems = {other.stem for other in right}  # most words are the very same, which needs no comparing one by one
    return [word for word in left if word.stem not in stems and not any(alike(word, other) for other in right)]


def _problem_and_cure(one: Sequence[Word], other: Sequence[Word]) -> bool:
    """Whether one says only that something is broken and the other only that it be mended."""
    return wording.says_what_is_broken(one) and wording.says_to_mend(other)
