"""How well a set of proposals meets the gold tasks: pure functions over plain values."""

import re
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass

from sample.workspace import Gold, GoldTask, MessageRef


@dataclass(frozen=True, slots=True)
class ScoredProposal:
    """What the score looks at in a proposal. `evidence` names messages by channel and Slack `ts`."""

    title: str
    description: str
    assignee: str | None
    evidence: Set[MessageRef]


@dataclass(frozen=True, slots=True)
class TaskScore:
    """What became of one gold task. `proposal` is the position of the proposal that met it, None when missed."""

    task: GoldTask
    proposal: int | None
    right_owner: bool


@dataclass(frozen=True, slots=True)
class Score:
    """Counts of tasks and proposals.

    `found` and `right_owner` count gold tasks out of `tasks`. `from_traps` counts proposals that met no task and cite
    a trap, `from_bots` those that cite a program's message, both out of `proposals`.
    """

    found: int
    right_owner: int
    tasks: int
    proposals: int
    from_traps: int
    from_bots: int
    per_task: tuple[TaskScore, ...]

    @property
    def found_share(self) -> float:
        """The share of gold tasks found, 0–1."""
        return self.found / self.tasks if self.tasks else 0.0

    @property
    def right_owner_share(self) -> float:
        """The share of gold tasks found with the right owner, 0–1."""
        return self.right_owner / self.tasks if self.tasks else 0.0

    @property
    def proposals_per_task(self) -> float:
        """Proposals for each gold task, found or not: what a reviewer has to read."""
        return self.proposals / self.tasks if self.tasks else 0.0


def score(proposals: Sequence[ScoredProposal], gold: Gold, *, bot_messages: Set[MessageRef] = frozenset()) -> Score:
    """Score `proposals` by `gold`: every proposal meets at most one task and every task is met at most once.

    Of the ways to pair them, one with the most tasks found is taken, and it prefers right owners.
    """
    pairs = _pair(proposals, gold.tasks)
    per_task = tuple(_task_score(task, pairs.get(number), proposals) for number, task in enumerate(gold.tasks))
    met = set(pairs.values())
    trapped = frozenset[MessageRef]().union(*(trap.refs() for trap in gold.traps))
    return Score(
        found=len(pairs),
        right_owner=sum(one.right_owner for one in per_task),
        tasks=len(gold.tasks),
        proposals=len(proposals),
        from_traps=sum(
            number not in met and not trapped.isdisjoint(proposal.evidence) for number, proposal in enumerate(proposals)
        ),
        from_bots=sum(not bot_messages.isdisjoint(proposal.evidence) for proposal in proposals),
        per_task=per_task,
    )


def meets(proposal: ScoredProposal, task: GoldTask) -> bool:
    """Whether the proposal cites the task's evidence and names the same deliverable."""
    return not task.refs().isdisjoint(proposal.evidence) and names(task, f"{proposal.title}\n{proposal.description}")


def names(task: GoldTask, text: str) -> bool:
    """Whether at least half of the task's keywords, rounded up, begin a word of `text`."""
    lowered = text.lower()
    hits = sum(re.search(rf"(?<!\w){re.escape(keyword)}", lowered) is not None for keyword in task.keywords)
    return hits * 2 >= len(task.keywords)


def _task_score(task: GoldTask, proposal: int | None, proposals: Sequence[ScoredProposal]) -> TaskScore:
    return TaskScore(task, proposal, proposal is not None and proposals[proposal].assignee == task.owner)


def _pair(proposals: Sequence[ScoredProposal], tasks: Sequence[GoldTask]) -> dict[int, int]:
    """Task number → proposal number: right owners are paired first, then the others find room around them."""
    candidates = [[number for number, proposal in enumerate(proposals) if meets(proposal, task)] for task in tasks]
    owned = [
        [number for number in numbers if proposals[number].assignee == task.owner]
        for task, numbers in zip(tasks, candidates, strict=True)
    ]
    taken: dict[int, int] = {}
    for choices in (owned, [right + rest for right, rest in zip(owned, candidates, strict=True)]):
        for task_number in range(len(tasks)):
            if task_number not in taken.values():
                _augment(task_number, choices.__getitem__, taken, set())
    return {task_number: proposal for proposal, task_number in taken.items()}


def _augment(task: int, choices: Callable[[int], list[int]], taken: dict[int, int], tried: set[int]) -> bool:
    """Give `task` a proposal, moving tasks that hold one if they can take another (Kuhn's augmenting path)."""
    for proposal in choices(task):
        if proposal in tried:
            continue
        tried.add(proposal)
        if proposal not in taken or _augment(taken[proposal], choices, taken, tried):
            taken[proposal] = task
            return True
    return False
