"""Proposals merged into others and into tasks, and taken out again."""

import asyncio
from uuid import UUID

import pytest

from db import decisions, lifecycle, proposals, runs, tasks
from db.decisions import Target
from db.engine import Database
from db.reviewing import Decision
from errors import Conflict, NotFound, PreconditionFailed, Refusal, Unprocessable
from models.actor import LOCAL
from models.base import new_id
from models.proposal import TaskProposal
from models.task import Task
from tests.support.books import Evidence, check_books
from tests.support.builders import add_messages, add_proposals, add_run, events_of, proposals_of, run_of


async def approve(database: Database, proposal_id: UUID) -> UUID:
    """The id of the task."""
    task_id = (await decisions.approve(database, proposal_id, actor=LOCAL)).proposal.task_id
    assert task_id is not None
    return task_id


async def reopen(database: Database, proposal_id: UUID) -> Decision:
    return await decisions.reopen(database, proposal_id, actor=LOCAL)


async def merge(database: Database, proposal_id: UUID, into: UUID) -> Decision:
    return await decisions.merge(database, proposal_id, Target(proposal_id=into), actor=LOCAL)


async def merge_into_task(database: Database, proposal_id: UUID, task_id: UUID) -> Decision:
    return await decisions.merge(database, proposal_id, Target(task_id=task_id), actor=LOCAL)


async def read(database: Database, proposal_id: UUID) -> TaskProposal:
    async with database.transaction() as session:
        return await proposals.get(session, proposal_id)


async def task(database: Database, task_id: UUID) -> Task:
    async with database.transaction() as session:
        return await tasks.get(session, task_id)


async def as_found(database: Database, *run_ids: UUID) -> Evidence:
    rows = [row for run_id in run_ids for row in await proposals_of(database, run_id)]
    return {row.id: frozenset(row.source_message_ids) for row in rows}


async def code_of(decision: object, refusal: type[Refusal]) -> str:
    with pytest.raises(refusal) as refused:
        await decision  # type: ignore[misc]  # any awaitable
    return refused.value.code


async def test_the_evidence_of_a_merged_proposal_moves_to_the_target_and_comes_back(database: Database) -> None:
    run = await add_run(database, status="completed")
    first, second, third = await add_messages(database, "a", "b", "c", gap_seconds=100)
    [whole] = await add_proposals(
        database, run.id, source_message_ids=[second], evidence=[{"message_id": str(second), "quote": "b"}]
    )
    [one] = await add_proposals(
        database,
        run.id,
        source_message_ids=[first, second],
        message_count=2,
        evidence=[{"message_id": str(second), "quote": "b"}, {"message_id": str(first), "quote": "a"}],
    )
    [other] = await add_proposals(database, run.id, source_message_ids=[second, third], message_count=2)
    await merge(database, one, whole)
    await merge(database, other, whole)
    joined = await read(database, whole)
    assert joined.source_message_ids == [second, first, third]
    assert [quote["quote"] for quote in joined.evidence] == ["b", "a"]
    assert (joined.message_count, joined.time_span_seconds, joined.version) == (3, 200, 3)
    await reopen(database, one)
    joined = await read(database, whole)
    assert joined.source_message_ids == [second, third]
    assert (joined.message_count, joined.time_span_seconds) == (2, 100)
    await reopen(database, other)
    alone = await read(database, whole)
    assert (alone.source_message_ids, alone.message_count, alone.time_span_seconds) == ([second], 1, 0)
    assert alone.own_evidence is None
    merged = await read(database, one)
    assert (merged.status, merged.merged_into_id, merged.reviewed_by) == ("pending", None, None)


async def test_a_merge_is_told_with_its_target_and_its_undoing(database: Database) -> None:
    run = await add_run(database, status="completed")
    found = [(await add_proposals(database, run.id))[0] for _ in range(3)]
    await merge(database, found[0], found[1])
    task_id = await approve(database, found[1])
    await merge_into_task(database, found[2], task_id)
    await reopen(database, found[0])
    events = [event for event in await events_of(database, run.id) if event.event != "run_created"]
    assert [event.event for event in events] == [
        "proposal_merged",
        "proposal_edited",
        "proposal_approved",
        "proposal_merged",
        "run_reviewed",
        "proposal_reopened",
        "proposal_edited",
    ]
    assert (events[0].data["target_proposal_id"], events[0].data["target_task_id"]) == (str(found[1]), None)
    assert (events[3].data["target_proposal_id"], events[3].data["target_task_id"]) == (None, str(task_id))
    assert (events[5].data["was"], events[5].data["proposals_pending"]) == ("merged", 1)


async def test_a_task_counts_all_that_report_it(database: Database) -> None:
    run, other_run = await add_run(database, status="completed"), await add_run(database, status="completed", day=1)
    part, whole, late, direct = await add_proposals(database, run.id, 4)
    [elsewhere] = await add_proposals(database, other_run.id)
    found = await as_found(database, run.id, other_run.id)
    await merge(database, part, whole)
    task_id = await approve(database, whole)
    assert (await task(database, task_id)).incident_count == 2
    await merge(database, late, whole)
    assert (await read(database, late)).task_id == task_id
    await merge_into_task(database, direct, task_id)
    await merge_into_task(database, elsewhere, task_id)
    assert (await task(database, task_id)).incident_count == 5
    for proposal_id in (part, direct):
        await reopen(database, proposal_id)
    assert (await task(database, task_id)).incident_count == 3
    await check_books(database, [run.id, other_run.id], found)


async def test_what_is_taken_out_of_a_part_leaves_the_whole_too(database: Database) -> None:
    run, other_run = await add_run(database, status="completed"), await add_run(database, status="completed", day=1)
    [leaf, root] = await add_proposals(database, run.id, 2)
    [part] = await add_proposals(database, other_run.id)
    found = await as_found(database, run.id, other_run.id)
    await merge(database, leaf, part)
    await merge(database, part, root)
    await check_books(database, [run.id, other_run.id], found)
    assert len((await read(database, root)).source_message_ids) == 3
    await reopen(database, leaf)
    await check_books(database, [run.id, other_run.id], found)
    assert len((await read(database, root)).source_message_ids) == 2


async def test_the_task_of_an_undone_approval_is_withdrawn_and_comes_back(database: Database) -> None:
    run = await add_run(database, status="completed")
    [proposal_id] = await add_proposals(database, run.id)
    task_id = await approve(database, proposal_id)
    undone = await reopen(database, proposal_id)
    assert (undone.proposal.status, undone.proposal.task_id, undone.proposal.version) == ("pending", None, 3)
    assert (await task(database, task_id)).status == "withdrawn"
    changes = {"proposed_title": "Fix all of it"}
    await decisions.edit(database, proposal_id, changes, actor=LOCAL, version=3)
    assert await approve(database, proposal_id) == task_id
    again = await task(database, task_id)
    assert (again.status, again.title, again.incident_count) == ("open", "Fix all of it", 1)


async def test_a_run_is_reviewed_no_more_once_a_decision_is_undone(database: Database) -> None:
    run = await add_run(database, status="completed")
    [proposal_id] = await add_proposals(database, run.id)
    decided = await decisions.reject(database, proposal_id, actor=LOCAL, reason="other")
    assert (decided.run.status, decided.turned) == ("reviewed", True)
    undone = await reopen(database, proposal_id)
    assert (undone.run.status, undone.run.proposals_pending, undone.turned) == ("completed", 1, True)
    assert undone.proposal.reject_reason is None
    assert await code_of(reopen(database, proposal_id), Conflict) == "not_reviewed"


async def test_a_task_that_others_count_on_is_not_withdrawn(database: Database) -> None:
    run = await add_run(database, status="completed")
    origin, more, linked = await add_proposals(database, run.id, 3)
    task_id = await approve(database, origin)
    await merge(database, more, origin)
    assert await code_of(reopen(database, origin), Conflict) == "task_linked"
    await reopen(database, more)
    await reopen(database, origin)
    tracked = await approve(database, linked)
    link = {"external_system": "linear", "external_id": "ENG-7"}
    await tasks.change(database, tracked, link, actor=LOCAL, version=None)
    assert await code_of(reopen(database, linked), Conflict) == "task_linked"
    unlink = {"external_system": None, "external_id": None}
    await tasks.change(database, tracked, unlink, actor=LOCAL, version=None)
    await reopen(database, linked)
    assert {(await task(database, one)).status for one in (task_id, tracked)} == {"withdrawn"}


async def test_what_was_merged_before_the_approval_does_not_keep_it_from_being_undone(database: Database) -> None:
    run = await add_run(database, status="completed")
    part, whole = await add_proposals(database, run.id, 2)
    found = await as_found(database, run.id)
    await merge(database, part, whole)
    task_id = await approve(database, whole)
    await reopen(database, whole)
    await check_books(database, [run.id], found)
    assert await approve(database, whole) == task_id
    assert (await task(database, task_id)).incident_count == 2


async def test_not_everything_can_be_merged_into(database: Database) -> None:
    run = await add_run(database, status="completed")
    one, rejected, merged, whole, withdrawn = await add_proposals(database, run.id, 5)
    await decisions.reject(database, rejected, actor=LOCAL, reason="other")
    await merge(database, merged, whole)
    task_id = await approve(database, withdrawn)
    await reopen(database, withdrawn)
    for target in (one, rejected, merged):
        assert await code_of(merge(database, one, target), Unprocessable) == "merge_target_invalid"
    assert await code_of(merge_into_task(database, one, task_id), Unprocessable) == "merge_target_invalid"
    assert await code_of(merge(database, one, new_id()), NotFound) == "merge_target_not_found"
    assert await code_of(merge_into_task(database, one, new_id()), NotFound) == "merge_target_not_found"
    assert await code_of(merge(database, merged, one), Conflict) == "already_reviewed"
    assert (await read(database, one)).version == 1


async def test_a_closed_run_stays_as_it_is_though_its_task_grows(database: Database) -> None:
    run, open_run = await add_run(database, status="completed"), await add_run(database, status="completed", day=1)
    [done] = await add_proposals(database, run.id)
    [part, more] = await add_proposals(database, open_run.id, 2)
    task_id = await approve(database, done)
    async with runs.locked(database, run.id) as held:
        await lifecycle.close(held)
    closed, before = await run_of(database, run.id), await read(database, done)
    assert await code_of(reopen(database, done), Conflict) == "run_closed"
    for decision in (
        merge(database, done, part),
        decisions.edit(database, done, {"proposed_title": "x"}, actor=LOCAL, version=1),
    ):
        assert await code_of(decision, Conflict) == "already_reviewed"
    await merge(database, part, done)
    await merge_into_task(database, more, task_id)
    assert (await task(database, task_id)).incident_count == 3
    await reopen(database, part)
    assert (await task(database, task_id)).incident_count == 2
    assert (await run_of(database, run.id)).model_dump() == closed.model_dump()
    assert (await read(database, done)).model_dump() == before.model_dump()


async def test_of_two_merges_into_each_other_one_wins_and_none_waits_forever(database: Database) -> None:
    run, other = await add_run(database, status="completed"), await add_run(database, status="completed", day=1)
    pairs = zip(await add_proposals(database, run.id, 10), await add_proposals(database, other.id, 10), strict=True)
    found = await as_found(database, run.id, other.id)
    merges = [merge(database, *pair) for one, two in pairs for pair in ((one, two), (two, one))]
    results = await asyncio.gather(*merges, return_exceptions=True)
    refused = [result for result in results if not isinstance(result, Decision)]
    assert len(refused) == 10
    assert all(isinstance(refusal, Refusal) for refusal in refused), refused
    await check_books(database, [run.id, other.id], found)


async def test_a_decision_that_names_an_old_version_is_refused(database: Database) -> None:
    run = await add_run(database, status="completed")
    one, other = await add_proposals(database, run.id, 2)
    await decisions.edit(database, one, {"proposed_title": "Better"}, actor=LOCAL, version=1)
    stale = (
        decisions.approve(database, one, actor=LOCAL, version=1),
        decisions.reject(database, one, actor=LOCAL, reason="other", version=1),
        decisions.merge(database, one, Target(proposal_id=other), actor=LOCAL, version=1),
        decisions.edit(database, one, {"proposed_title": "Worse"}, actor=LOCAL, version=1),
    )
    for decision in stale:
        assert await code_of(decision, PreconditionFailed) == "version_conflict"
    await decisions.approve(database, one, actor=LOCAL, version=2)
    assert await code_of(decisions.reopen(database, one, actor=LOCAL, version=2), PreconditionFailed)
    await decisions.reopen(database, one, actor=LOCAL, version=3)


async def test_an_edit_that_changes_nothing_leaves_no_trace(database: Database) -> None:
    run = await add_run(database, status="completed")
    [one] = await add_proposals(database, run.id)
    before = await read(database, one)
    changes = {"proposed_title": before.proposed_title, "proposed_tags": []}
    await decisions.edit(database, one, changes, actor=LOCAL, version=1)
    assert (await read(database, one)).model_dump() == before.model_dump()
    changes = {"proposed_title": "Better", "proposed_tags": ["login"]}
    edited = (await decisions.edit(database, one, changes, actor=LOCAL, version=1)).proposal
    assert (edited.version, edited.status, edited.edited_at is None) == (2, "pending", False)
    event = (await events_of(database, run.id))[-1]
    assert (event.event, event.data["fields"]) == ("proposal_edited", ["proposed_tags", "proposed_title"])
