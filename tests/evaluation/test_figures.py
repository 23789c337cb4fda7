"""What a conversation's proposals are worth."""

from collections.abc import Sequence
from typing import Any

from evaluation.figures import Counts, Made, Report, count, report
from evaluation.rendering import compared, rendered
from evaluation.talks import Talk, talks
from sample.scoring import ScoredProposal


def case(name: str) -> Talk:
    return next(talk for talk in talks("cases") if talk.id == name)


def made(talk: Talk, title: str, owner: str | None, *lines: int, **more: Any) -> Made:
    return Made(ScoredProposal(title, "", owner, frozenset((talk.id, str(line)) for line in lines)), **more)


def reported(data_set: str, model: str, counted: Sequence[tuple[Talk, Counts]]) -> Report:
    return report(data_set, model, counted, batches=3, batches_failed=1, tokens=10, estimate=1, cost_usd=None)


def refs(talk: Talk) -> frozenset[tuple[str, str]]:
    return frozenset((message.channel, message.external_id) for message in talk.messages)


def test_a_right_proposal_names_the_task_and_cites_it() -> None:
    talk = case("two-in-one")
    right = made(talk, "Upload the contract", "arne", 0)
    elsewhere = made(talk, "Tell the landlord", "mia", 1)
    something = made(talk, "Water the plants", "mia", 0)
    counts = count(talk, [right, elsewhere, something], refs(talk))
    assert (counts.tasks, counts.found, counts.owned, counts.proposals) == (2, 1, 1, 3)


def test_a_second_proposal_for_a_task_is_a_repeat() -> None:
    talk = case("assign-release-notes")
    twice = [made(talk, "Write the release notes", None, 1), made(talk, "Release notes of 4.2", "jonas", 2, due=True)]
    counts = count(talk, twice, refs(talk))
    assert (counts.found, counts.owned, counts.repeated, counts.dated, counts.due) == (1, 1, 1, 1, 1)


def test_a_proposal_is_valid_where_it_cites_the_talk_and_quotes_it() -> None:
    talk = case("accept-invoice")
    proposals = [
        made(talk, "Send the invoice", "tim", 0),
        made(talk, "Send the invoice", "tim", 99),
        made(talk, "Send the invoice", "tim", 0, quoted=False),
    ]
    assert count(talk, proposals, refs(talk)).valid == 1


def test_the_prefilter_answers_for_the_tasks_whose_messages_it_drops() -> None:
    talk = case("accept-invoice")
    counts = count(talk, [], frozenset({(talk.id, "2")}))
    assert (counts.tasks_kept, counts.kept, counts.messages) == (0, 1, 3)


def test_a_report_has_intervals_and_is_the_same_every_time() -> None:
    counted = [
        (talk, Counts(tasks=2, found=at % 3, of_somebody=at % 3, proposals=2)) for at, talk in enumerate(talks("cases"))
    ]
    first = reported("cases", "m", counted)
    assert first == reported("cases", "m", counted)
    recall = first.figures["task recall"]
    assert recall.low is not None
    assert recall.value is not None
    assert recall.high is not None
    assert 0 <= recall.low <= recall.value <= recall.high <= 1
    assert first.figures["owner accuracy"].value == 0.0
    assert first.figures["due date found"].value is None
    assert "cost unknown, unknown a found task" in rendered(first)
    assert "3 batches, 1 failed" in rendered(first)


def test_a_comparison_names_what_became_better_and_worse() -> None:
    talk, other = talks("cases")[:2]
    one, none = Counts(tasks=1, found=1, proposals=1), Counts(tasks=1, proposals=1)
    before = reported("cases", "a", [(talk, one), (other, none)])
    after = reported("cases", "b", [(talk, none), (other, one)])
    text = compared([before.to_json()], [after.to_json()])
    assert f"better: {other.id}" in text
    assert f"worse: {talk.id}" in text
    assert compared([before.to_json()], [reported("sample", "b", []).to_json()]) == ""
