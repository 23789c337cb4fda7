"""The score counts what a reviewer would: the right task, found once, with the right owner."""

from dataclasses import replace

from sample.scoring import ScoredProposal, meets, names, score
from sample.workspace import Gold, GoldTask, Trap, bot_messages, gold

CABLE = GoldTask(
    id="task-01",
    title="Replace the cable of the till",
    owner="ann",
    channel="shop",
    evidence=("1.000001", "1.000002"),
    kind="assigned",
    keywords=("cable", "till", "replac"),
)
SIGN = GoldTask(
    id="task-02",
    title="Paint the shop sign",
    owner=None,
    channel="shop",
    evidence=("1.000002",),
    kind="unassigned",
    keywords=("paint", "sign"),
)
WISH = Trap(id="trap-01", kind="vague_wish", channel="shop", ts=("1.000009",))
SHOP = Gold(tasks=(CABLE, SIGN), traps=(WISH,))

CABLE_PROPOSAL = ScoredProposal("Replace the cable", "The till is dead.", "ann", {("shop", "1.000001")})
SIGN_PROPOSAL = ScoredProposal("Paint the sign", "", None, {("shop", "1.000002")})


def proposal_of(task: GoldTask) -> ScoredProposal:
    return ScoredProposal(task.title, "", task.owner, {(task.channel, task.evidence[0])})


def test_a_perfect_extractor_finds_everything() -> None:
    result = score([proposal_of(task) for task in gold().tasks], gold(), bot_messages=bot_messages())

    assert (result.found_share, result.right_owner_share, result.proposals_per_task) == (1.0, 1.0, 1.0)
    assert (result.from_traps, result.from_bots) == (0, 0)


def test_an_empty_extractor_finds_nothing() -> None:
    result = score([], gold(), bot_messages=bot_messages())

    assert (result.found, result.right_owner, result.proposals) == (0, 0, 0)
    assert result.tasks == len(gold().tasks)
    assert all(one.proposal is None for one in result.per_task)


def test_an_extractor_that_falls_into_every_trap_finds_nothing() -> None:
    fallen = [ScoredProposal("Do it", "", None, trap.refs()) for trap in gold().traps]

    result = score(fallen, gold(), bot_messages=bot_messages())

    assert result.found == 0
    assert result.from_traps == len(gold().traps)
    assert result.from_bots == sum(trap.kind == "bot" for trap in gold().traps)


def test_a_wrong_owner_is_found_but_not_counted_as_right() -> None:
    result = score([replace(CABLE_PROPOSAL, assignee="bob"), replace(SIGN_PROPOSAL, assignee="ann")], SHOP)

    assert (result.found, result.right_owner) == (2, 0)


def test_a_missing_owner_is_wrong_where_somebody_took_the_task() -> None:
    result = score([replace(CABLE_PROPOSAL, assignee=None), SIGN_PROPOSAL], SHOP)

    assert [one.right_owner for one in result.per_task] == [False, True]


def test_the_same_ts_in_another_channel_is_no_evidence() -> None:
    assert not meets(replace(CABLE_PROPOSAL, evidence={("office", "1.000001")}), CABLE)


def test_the_right_message_with_another_deliverable_does_not_meet_the_task() -> None:
    assert not meets(replace(SIGN_PROPOSAL, evidence=CABLE.refs()), CABLE)


def test_half_of_the_keywords_rounded_up_name_a_task_in_any_case() -> None:
    assert names(CABLE, "REPLACING the Cable")
    assert not names(CABLE, "about the cable")
    assert names(SIGN, "new sign")


def test_a_keyword_counts_only_where_a_word_begins() -> None:
    assert not names(SIGN, "design")
    assert names(SIGN, "shop-sign")


def test_one_proposal_about_everything_finds_one_task() -> None:
    everything = ScoredProposal("Replace the till cable, paint the sign", "", "ann", CABLE.refs())

    assert score([everything], SHOP).found == 1


def test_two_proposals_of_one_task_find_it_once() -> None:
    result = score([CABLE_PROPOSAL, CABLE_PROPOSAL], SHOP)

    assert (result.found, result.proposals, result.from_traps) == (1, 2, 0)


def test_a_proposal_that_meets_both_tasks_leaves_room_for_the_one_that_meets_one() -> None:
    both = ScoredProposal("Replace the till cable, paint the sign", "", "ann", CABLE.refs())

    assert score([both, CABLE_PROPOSAL], SHOP).found == 2
    assert score([CABLE_PROPOSAL, both], SHOP).found == 2


def test_of_two_proposals_of_a_task_the_one_with_the_right_owner_counts() -> None:
    result = score([replace(CABLE_PROPOSAL, assignee="bob"), CABLE_PROPOSAL], SHOP)

    assert result.per_task[0].proposal == 1
    assert result.right_owner == 1


def test_a_trap_beside_the_evidence_of_a_found_task_is_forgiven() -> None:
    beside = replace(CABLE_PROPOSAL, evidence=CABLE.refs() | WISH.refs())

    assert score([beside], SHOP).from_traps == 0


def test_a_program_among_the_evidence_is_never_forgiven() -> None:
    cited = replace(CABLE_PROPOSAL, evidence=CABLE.refs() | {("shop", "1.000005")})

    assert score([cited], SHOP, bot_messages={("shop", "1.000005")}).from_bots == 1


def test_without_gold_tasks_the_shares_are_zero() -> None:
    result = score([CABLE_PROPOSAL], Gold(tasks=(), traps=()))

    assert (result.found_share, result.right_owner_share, result.proposals_per_task) == (0.0, 0.0, 0.0)
