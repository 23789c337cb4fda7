"""What must hold of a run, whatever was done to the service meanwhile."""

import json
from typing import Any
from uuid import UUID

from sqlmodel import col, select

from models.message import Message
from tests.chaos.listener import Listener
from tests.support.model_script import Stats
from tests.support.waiting import until
from tests.support.working import Operator


async def check_run(
    operator: Operator, run_id: UUID, listener: Listener, stats: Stats, *, may_be_asked_again: int
) -> None:
    """Every batch settled once, the proposals what the answers say, counters and events in order, each heard once, and
    no call beyond those that were under way in a worker that a fault took away."""
    run = await operator.check_books(run_id)
    listed = await operator.batches(run_id)
    assert {batch.status for batch in listed} == {"completed"}
    await _check_proposals(operator, run_id)
    told = await operator.events(run_id)
    settled = [event.data["current_batch"] for event in told if event.event == "progress_updated"]
    assert settled == list(range(1, len(listed) + 1))
    heard = await until(lambda: _heard(listener), lambda heard: len(heard) >= run.last_seq)
    assert [(event["seq"], event["event"]) for event in heard] == [(event.seq, event.event) for event in told]
    assert [event["data"] for event in heard] == [json.loads(json.dumps(event.data)) for event in told]
    assert len(listed) <= stats.calls <= len(listed) + may_be_asked_again, (
        f"{stats.calls} calls for {len(listed)} batches, {may_be_asked_again} may be asked again; {stats.outcomes}"
    )


async def _heard(listener: Listener) -> list[dict[str, Any]]:
    return listener.heard


async def _check_proposals(operator: Operator, run_id: UUID) -> None:
    """The stand-in makes one proposal of ten messages: titled by the first of them, resting on the first and last."""
    found = {proposal.batch_no: proposal for proposal in await operator.proposals(run_id)}
    listed = await operator.batches(run_id)
    assert len(found) == len(listed)
    async with operator.database.transaction() as session:
        ids = [message_id for batch in listed for message_id in batch.message_ids]
        texts = dict((await session.exec(select(Message.id, Message.content).where(col(Message.id).in_(ids)))).all())
    for batch in listed:
        proposal = found[batch.batch_no]
        first, last = batch.message_ids[0], batch.message_ids[-1]
        assert proposal.proposed_title == f"Follow up on: {texts[first]}"
        assert set(proposal.source_message_ids) == {first, last}
