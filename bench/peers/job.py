"""What every peer does with a run and with each of its batches, whatever drives it.

The prompt and the check of the answer are Gleaner's own, so that all send and accept the same.
"""

import os
from types import TracebackType
from typing import Self
from uuid import UUID

import aiohttp
import asyncpg

from analysis.prompts import RenderedPrompt, render
from analysis.proposals import ProposalDraft, parse_answer
from models.conversation import ChatMessage

CONCURRENCY = int(os.environ.get("PEER_CONCURRENCY", "8"))
DATABASE_URL = os.environ["PEER_DATABASE_URL"]
MODEL_URL = os.environ["PEER_MODEL_URL"]
CONNECTIONS = 10

_CUT = """
    INSERT INTO peer_batches (run_id, batch_no, message_ids)
    SELECT run_id, (place - 1) / batch_size + 1 AS batch_no, array_agg(id ORDER BY place)
    FROM (
        SELECT run.id AS run_id, batch_size, message.id, row_number() OVER (ORDER BY sent_at, message.id) AS place
        FROM peer_runs AS run JOIN messages AS message ON sent_at >= window_start AND sent_at < window_end
        WHERE run.id = $1
    ) AS placed
    GROUP BY run_id, batch_no
    ON CONFLICT DO NOTHING
"""
_COUNT_BATCHES = """
    UPDATE peer_runs SET batches = (SELECT count(*) FROM peer_batches WHERE run_id = $1) WHERE id = $1
    RETURNING batches
"""
_READ = """
    SELECT message.id, channel, author, sent_at, content
    FROM peer_batches, unnest(message_ids) WITH ORDINALITY AS listed (id, place)
        JOIN messages AS message ON message.id = listed.id
    WHERE run_id = $1 AND batch_no = $2 AND NOT (settled_at IS NOT NULL AND $3) ORDER BY place
"""
_SETTLE = "UPDATE peer_batches SET settled_at = now() WHERE run_id = $1 AND batch_no = $2 AND settled_at IS NULL"
_ADD = """
    INSERT INTO peer_proposals (
        run_id, batch_no, ordinal, title, description, priority, category, assignee, confidence, source_message_ids
    ) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
    ON CONFLICT DO NOTHING
"""
_COUNT = """
    UPDATE peer_runs SET settled = settled + 1, proposals = proposals + $2 WHERE id = $1
    RETURNING settled >= batches
"""
_ALL_SETTLED = "SELECT settled >= batches FROM peer_runs WHERE id = $1"
_FINISH = "UPDATE peer_runs SET completed_at = clock_timestamp() WHERE id = $1 AND completed_at IS NULL"
_KEY = "CREATE UNIQUE INDEX IF NOT EXISTS peer_proposals_key ON peer_proposals (run_id, batch_no, ordinal)"


class Job:
    """The steps of a run. `keyed` ones may be taken twice: what is settled stays as it is."""

    def __init__(self, *, keyed: bool) -> None:
        self._keyed = keyed

    async def __aenter__(self) -> Self:
        self._pool = await asyncpg.create_pool(DATABASE_URL, min_size=CONNECTIONS, max_size=CONNECTIONS)
        self._http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=CONCURRENCY))
        if self._keyed:
            await self._pool.execute(_KEY)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.close()
        await self._pool.close()

    async def cut(self, run_id: UUID) -> int:
        """How many batches the window makes."""
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(_CUT, run_id)
            batches: int = await connection.fetchval(_COUNT_BATCHES, run_id)
        return batches

    async def settle(self, run_id: UUID, batch_no: int) -> bool:
        """Ask for a batch and save its answer; whether all batches are settled now."""
        messages = await self.read(run_id, batch_no)
        if not messages:
            return await self._all_settled(run_id)
        return await self.save(run_id, batch_no, await self.ask(messages))

    async def read(self, run_id: UUID, batch_no: int) -> list[ChatMessage]:
        """The messages of a batch; none of a settled one if the job is keyed, so that nobody asks again."""
        rows = await self._pool.fetch(_READ, run_id, batch_no, self._keyed)
        return [ChatMessage(row["id"], row["channel"], row["author"], row["sent_at"], row["content"]) for row in rows]

    async def ask(self, messages: list[ChatMessage]) -> list[ProposalDraft]:
        """What the model proposes."""
        prompt = render(messages)
        return parse_answer(await self._complete(prompt), prompt.refs, messages)

    async def save(self, run_id: UUID, batch_no: int, drafts: list[ProposalDraft]) -> bool:
        """Proposals, batch and counters in one transaction; whether all batches are settled."""
        async with self._pool.acquire() as connection, connection.transaction():
            done = await connection.execute(_SETTLE, run_id, batch_no)
            if self._keyed and done == "UPDATE 0":
                return await self._all_settled(run_id)
            await connection.executemany(
                _ADD, [values(run_id, batch_no, ordinal, draft) for ordinal, draft in enumerate(drafts, 1)]
            )
            return bool(await connection.fetchval(_COUNT, run_id, len(drafts)))

    async def finish(self, run_id: UUID) -> None:
        await self._pool.execute(_FINISH, run_id)

    async def _all_settled(self, run_id: UUID) -> bool:
        return bool(await self._pool.fetchval(_ALL_SETTLED, run_id))

    async def _complete(self, prompt: RenderedPrompt) -> str:
        body = {
            "model": "stand-in",
            "messages": [{"role": "system", "content": prompt.system}, {"role": "user", "content": prompt.user}],
            "response_format": {"type": "json_object"},
        }
        async with self._http.post(f"{MODEL_URL}/chat/completions", json=body, raise_for_status=True) as reply:
            completion = await reply.json()
        content: str = completion["choices"][0]["message"]["content"]
        return content


def values(run_id: UUID, batch_no: int, ordinal: int, draft: ProposalDraft) -> tuple[object, ...]:
    """The row of a proposal."""
    return (
        *(run_id, batch_no, ordinal, draft.title, draft.description, draft.priority, draft.category),
        *(draft.assignee, draft.confidence, list(draft.source_message_ids)),
    )
