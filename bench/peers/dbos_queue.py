"""DBOS with a queue: a child workflow for each batch, which asks in a step and saves in a transaction of a datasource,
so that it saves exactly once.

The queue is looked at ten times a second instead of once, and commits are READ COMMITTED instead of SERIALIZABLE, in
which every two of them would clash on the row of the run: both are tuned in favour of DBOS.
"""

import os
from uuid import UUID

import uvloop
from dbos import DBOS, AsyncSQLAlchemyDatasource, DBOSConfig, SetWorkflowID
from sqlalchemy import text

from analysis.proposals import ProposalDraft
from bench.peers.job import CONCURRENCY, DATABASE_URL, Job
from bench.peers.orders import obey

POLLING_SECONDS = float(os.environ.get("PEER_POLLING_SECONDS", "0.1"))

config: DBOSConfig = {"name": "queue", "system_database_url": DATABASE_URL}
job = Job(keyed=False)
datasource: AsyncSQLAlchemyDatasource


@DBOS.step()
async def cut(run_id: UUID) -> int:
    return await job.cut(run_id)


@DBOS.step()
async def ask(run_id: UUID, batch_no: int) -> list[ProposalDraft]:
    return await job.ask(await job.read(run_id, batch_no))


async def save(run_id: UUID, batch_no: int, drafts: list[ProposalDraft]) -> None:
    session = datasource.sql_session()
    batch = {"run_id": run_id, "batch_no": batch_no}
    await session.execute(
        text("UPDATE peer_batches SET settled_at = now() WHERE run_id = :run_id AND batch_no = :batch_no"), batch
    )
    await session.execute(
        text(
            "INSERT INTO peer_proposals (run_id, batch_no, ordinal, title, description, priority, category, assignee,"
            " confidence, source_message_ids) VALUES (:run_id, :batch_no, :ordinal, :title, :description, :priority,"
            " :category, :assignee, :confidence, :source_message_ids)"
        ),
        [
            {
                **batch,
                "ordinal": ordinal,
                "title": draft.title,
                "description": draft.description,
                "priority": draft.priority,
                "category": draft.category,
                "assignee": draft.assignee,
                "confidence": draft.confidence,
                "source_message_ids": list(draft.source_message_ids),
            }
            for ordinal, draft in enumerate(drafts, 1)
        ],
    )
    await session.execute(
        text("UPDATE peer_runs SET settled = settled + 1, proposals = proposals + :proposals WHERE id = :run_id"),
        {"run_id": run_id, "proposals": len(drafts)},
    )


@DBOS.step()
async def finish(run_id: UUID) -> None:
    await job.finish(run_id)


@DBOS.workflow()
async def analyse_batch(run_id: UUID, batch_no: int) -> None:
    drafts = await ask(run_id, batch_no)
    await datasource.run_tx_step_async({"isolation_level": "READ COMMITTED"}, save, run_id, batch_no, drafts)


@DBOS.workflow()
async def analyse(run_id: UUID) -> None:
    batches = await cut(run_id)
    handles = [
        await DBOS.enqueue_workflow_async("batches", analyse_batch, run_id, batch_no)
        for batch_no in range(1, batches + 1)
    ]
    for handle in handles:
        await handle.get_result(polling_interval_sec=POLLING_SECONDS)
    await finish(run_id)


async def start(run_id: UUID) -> None:
    with SetWorkflowID(str(run_id)):
        await DBOS.start_workflow_async(analyse, run_id)


async def main() -> None:
    global datasource
    DBOS(config=config)
    datasource = await AsyncSQLAlchemyDatasource.create(DATABASE_URL)
    async with job:
        DBOS.launch()
        await DBOS.register_queue_async("batches", global_concurrency=CONCURRENCY, polling_interval_sec=POLLING_SECONDS)
        await obey(start)
        DBOS.destroy()


if __name__ == "__main__":
    uvloop.run(main())
