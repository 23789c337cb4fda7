"""Proposals, found."""

from datetime import timedelta
from typing import Any, Literal
from uuid import UUID

from db import decisions, proposals
from db.engine import Database
from models.actor import LOCAL
from tests.support.builders import START, add_messages, add_project, add_proposals, add_run


async def listed(
    database: Database, *, sort: Literal["confidence", "created_at"] = "confidence", size: int = 2, **filters: Any
) -> list[UUID]:
    """The ids of a list, read page by page."""
    wanted = proposals.conditions(**filters)
    found: list[UUID] = []
    after: tuple[float, UUID] | None = None
    async with database.transaction() as session:
        while page := await proposals.listed(session, wanted, sort=sort, after=after, limit=size):
            found += [proposal.id for proposal in page]
            after = page[-1].confidence, page[-1].id
        assert await proposals.count(session, wanted) == len(found)
    return found


async def test_a_list_is_by_falling_confidence_or_newest_first_and_its_pages_meet(database: Database) -> None:
    run = await add_run(database)
    ids = [
        (await add_proposals(database, run.id, confidence=confidence))[0] for confidence in (0.5, 0.9, 0.5, 0.1, 0.5)
    ]
    assert await listed(database) == [ids[1], ids[4], ids[2], ids[0], ids[3]]
    assert await listed(database, sort="created_at") == ids[::-1]


async def test_a_list_is_filtered_by_each_of_its_words(database: Database) -> None:
    project = await add_project(database)
    one, other = await add_run(database), await add_run(database, day=1)
    [first] = await add_proposals(database, one.id, confidence=0.9)
    [second] = await add_proposals(database, one.id, confidence=0.7, project_config_id=project)
    [third] = await add_proposals(database, other.id, confidence=0.5)
    await decisions.approve(database, third, actor=LOCAL)
    assert await listed(database, run_id=one.id) == [first, second]
    assert await listed(database, status="approved") == [third]
    assert await listed(database, min_confidence=0.7) == [first, second]
    assert await listed(database, project_config_id=project) == [second]
    assert await listed(database, run_id=other.id, status="pending") == []


async def test_the_evidence_is_shown_in_the_order_in_which_it_was_sent(database: Database) -> None:
    run = await add_run(database)
    late = await add_messages(database, "it is still broken", start=START + timedelta(hours=1))
    early = await add_messages(database, "the login is broken", "since monday")
    [proposal_id] = await add_proposals(database, run.id, source_message_ids=[*late, early[1], early[0]])
    async with database.transaction() as session:
        proposal = await proposals.get(session, proposal_id)
        shown = await proposals.evidence_messages(session, proposal)
    assert [message.id for message in shown] == [*early, *late]
