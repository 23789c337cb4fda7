"""What is remembered of earlier runs that may concern new proposals."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from operator import mul
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from analysis.memory import Fate, Remembered, likeness
from db import evidence
from db.statements import Statement
from db.vectors import Vector, written
from models.message import Message
from models.proposal import TaskProposal
from models.run import AnalysisRun

RESEMBLING = 20
"""How many proposals, and how many tasks, with a title like a new one's are looked at."""

# Whether anything of other runs rests on a message of the new ones, and for each new title what resembles it: proposals
# that are pending or turned down, and tasks. Both come together, since each batch asks this while its run is locked.
_LOOK = """
    SELECT EXISTS (
        SELECT FROM task_proposals AS proposal JOIN analysis_runs AS run ON run.id = proposal.run_id
        WHERE proposal.source_message_ids && CAST(:messages AS uuid[]) AND proposal.run_id <> :run
          AND proposal.status <> 'suppressed' AND run.project_config_id {of_project}
    ), ARRAY(
        SELECT ROW (new.place, known.*) FROM {given} CROSS JOIN LATERAL (
            (SELECT proposal.id, proposed_title, status, reject_reason, run_id, {proposal_nearness}
             FROM task_proposals AS proposal {proposal_vectors}
             WHERE status IN ('pending', 'rejected') AND project_config_id {of_project} AND {proposal_likes}
             LIMIT {limit})
            UNION ALL
            (SELECT task.id, task.title, 'task', NULL, NULL, {task_nearness}
             FROM tasks AS task {task_vectors}
             WHERE status <> 'withdrawn' AND project_config_id {of_project} AND {task_likes}
             LIMIT {limit})
        ) AS known
    )
"""


def _by_meaning(of_project: str) -> Statement:
    nearest = "true ORDER BY known.vector <=> new.vector"
    nearness = "1 - (known.vector <=> new.vector)"
    # Without OFFSET each vector would be read from its text again for every row that it is compared with.
    given = """(
        SELECT CAST(written AS halfvec), place
        FROM unnest(CAST(:vectors AS text[])) WITH ORDINALITY AS given (written, place) OFFSET 0
    ) AS new (vector, place)"""
    return Statement(
        _LOOK.format(
            of_project=of_project,
            given=given,
            proposal_nearness=nearness,
            proposal_vectors="JOIN proposal_vectors AS known ON known.proposal_id = proposal.id",
            proposal_likes=nearest,
            task_nearness=nearness,
            task_vectors="JOIN task_vectors AS known ON known.task_id = task.id",
            task_likes=nearest,
            limit=RESEMBLING,
        )
    )


def _by_words(of_project: str) -> Statement:
    # In the order of the index, which ends at the limit: to sort all that are alike takes longer the more there are,
    # and one run may have thousands.
    return Statement(
        _LOOK.format(
            of_project=of_project,
            given="unnest(CAST(:titles AS text[])) WITH ORDINALITY AS new (title, place)",
            proposal_nearness="CAST(NULL AS float8)",
            proposal_vectors="",
            proposal_likes="proposed_title % new.title ORDER BY proposed_title <-> new.title",
            task_nearness="CAST(NULL AS float8)",
            task_vectors="",
            task_likes="task.title % new.title ORDER BY task.title <-> new.title",
            limit=RESEMBLING,
        )
    )


# Each in a form that an index can serve.
_OF_PROJECT, _OF_NONE = "= CAST(:project AS uuid)", "IS NULL"
_look = {
    (True, True): _by_meaning(_OF_PROJECT),
    (True, False): _by_meaning(_OF_NONE),
    (False, True): _by_words(_OF_PROJECT),
    (False, False): _by_words(_OF_NONE),
}


async def remembered(
    session: AsyncSession, run: AnalysisRun, found: Sequence[TaskProposal], vectors: Sequence[Vector | None]
) -> list[list[Remembered]]:
    """For each new proposal what other runs of its project found in its messages, and what resembles its title: tasks,
    and proposals of any run. `vectors` are those of the titles: all of them, or None where nobody measures."""
    measured = [written(vector) for vector in vectors if vector is not None]
    assert len(measured) in (0, len(found))
    values = {
        "messages": list({message_id for new in found for message_id in new.source_message_ids}),
        "run": run.id,
        "project": run.project_config_id,
        "titles": [new.proposed_title for new in found],
        "vectors": measured,
    }
    row = await _look[bool(measured), run.project_config_id is not None].row(session, values)
    assert row is not None
    shared, alike = row
    on_messages = await _on_messages(session, run, found) if shared else defaultdict(list)
    known = [list(on_messages[at]) for at in range(len(found))]
    seen = [{one.proposal_id for one in ones} for ones in known]
    for place, found_id, title, fate, reason, run_id, nearness in alike:
        if fate == "task":
            known[place - 1].append(Remembered(title, "task", task_id=found_id, nearness=nearness))
        elif found_id not in seen[place - 1]:
            known[place - 1].append(
                Remembered(
                    title, fate, proposal_id=found_id, reject_reason=reason, nearness=nearness, own=run_id == run.id
                )
            )
    return known


async def _on_messages(
    session: AsyncSession, run: AnalysisRun, found: Sequence[TaskProposal]
) -> defaultdict[int, list[Remembered]]:
    """By the place of the new proposal: those of other runs that rest on one of its messages."""
    ids = {message_id for new in found for message_id in new.source_message_ids}
    query = (
        select(TaskProposal, AnalysisRun)
        .join(AnalysisRun, col(AnalysisRun.id) == col(TaskProposal.run_id))
        .where(
            col(TaskProposal.source_message_ids).op("&&")(list(ids)),
            col(TaskProposal.run_id) != run.id,
            col(TaskProposal.status) != "suppressed",
            col(AnalysisRun.project_config_id).is_not_distinct_from(run.project_config_id),
        )
        .order_by(col(TaskProposal.id))
    )
    earlier = (await session.exec(query)).all()
    messages = await _messages(session, ids)
    known: defaultdict[int, list[Remembered]] = defaultdict(list)
    for proposal, its_run in earlier:
        last = await _last(session, proposal)
        for at, new in enumerate(found):
            # What was merged into it is there itself.
            mine = {str(message_id) for message_id in new.source_message_ids}
            its = set(evidence.own_evidence(proposal)["source_message_ids"])
            if mine & its:
                present = [messages[one] for one in new.source_message_ids if one in messages]
                fresh = not all(_had(its_run, message) for message in present)
                edited = any(_changed_since(its_run, message) for message in present)
                seen = _seen(proposal, last)
                known[at].append(replace(seen, shared=True, same=mine == its, fresh=fresh, edited=edited))
    return known


async def _messages(session: AsyncSession, ids: set[UUID]) -> dict[UUID, Message]:
    rows = (await session.exec(select(Message).where(col(Message.id).in_(ids)))).all()
    return {row.id: row for row in rows}


def just_found(
    title: str, vector: Vector | None, before: Sequence[tuple[TaskProposal, Vector | None]]
) -> list[Remembered]:
    """The proposals that the same run found just before one with this title and vector, each with its own, as that one
    remembers them; the likest first."""
    known = [
        Remembered(one.proposed_title, "pending", proposal_id=one.id, nearness=_nearness(vector, its), own=True)
        for one, its in before
    ]
    return sorted(
        known, key=lambda one: likeness(title, one.title) if one.nearness is None else one.nearness, reverse=True
    )


def _nearness(one: Vector | None, other: Vector | None) -> float | None:
    return None if one is None or other is None else sum(map(mul, one, other))


async def _last(session: AsyncSession, proposal: TaskProposal) -> TaskProposal:
    """What the proposal was merged into at last, or itself."""
    return [proposal, *await evidence.above(session, proposal)][-1]


def _seen(proposal: TaskProposal, last: TaskProposal) -> Remembered:
    fates: dict[str, Fate] = {"pending": "pending", "rejected": "rejected", "approved": "task", "merged": "task"}
    return Remembered(
        title=proposal.proposed_title,
        fate=fates[last.status],
        proposal_id=last.id,
        task_id=last.task_id,
        reject_reason=last.reject_reason,
    )


def _had(run: AnalysisRun, message: Message) -> bool:
    """Whether the run had the message before it: it was there when the window was fetched, and in it."""
    filters = run.filters
    return (
        run.fetched_at is not None
        and message.created_at <= run.fetched_at
        and run.time_window_start <= message.sent_at < run.time_window_end
        and _named(filters.get("source_ids"), str(message.source_id))
        and _named(filters.get("channels"), message.channel)
        and _named(filters.get("authors"), message.author)
    )


def _changed_since(run: AnalysisRun, message: Message) -> bool:
    return run.fetched_at is None or message.updated_at > run.fetched_at


def _named(wanted: Sequence[object] | None, value: str) -> bool:
    return not wanted or value in map(str, wanted)
