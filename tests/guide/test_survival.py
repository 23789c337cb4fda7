"""Each part killed, one after another, in the middle of a run: nothing is lost, doubled or paid for twice."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.guide.runs import offline_assignment
from tests.guide.stand_in import stand_in_assignment
from tests.support.model_server import ModelServer
from tests.support.service import ROOT, Service, output_of, serving
from tests.support.waiting import until

DOCKER_LOG = ROOT.parent / "shared" / "data" / "gitter-docker.txt"
MEETING_LOG = ROOT.parent / "shared" / "data" / "irc-ubuntu-meeting-2010-11.txt"

needs_data = pytest.mark.skipif(not DOCKER_LOG.exists(), reason="needs the conversations in ../shared/data")


async def _import(service: Service, path: Path, source: str) -> dict[str, Any]:
    printed = await output_of(
        ["import", "irc", str(path), "--source", source, "--json"], {"GLEANER_DATABASE_URL": service.stack["postgres"]}
    )
    report: dict[str, Any] = json.loads(printed)
    return report


async def _check_books(service: Service, run_id: str) -> None:
    """Rows and counters agree, every batch is settled once, events have no gap, evidence is real."""
    connection = await asyncpg.connect(service.stack["postgres"])
    try:
        row = await connection.fetchrow(
            """
            SELECT r.*, (SELECT count(*) FROM analysis_batches b WHERE b.run_id = r.id) AS batches,
                (SELECT count(*) FROM analysis_batches b WHERE b.run_id = r.id AND b.status = 'completed') AS done,
                (SELECT sum(b.message_count) FROM analysis_batches b WHERE b.run_id = r.id) AS batched,
                (SELECT count(*) FROM task_proposals p WHERE p.run_id = r.id) AS proposals,
                (SELECT count(*) FROM run_events e WHERE e.run_id = r.id) AS events,
                (SELECT count(*) FROM run_events e WHERE e.run_id = r.id AND e.event = 'progress_updated') AS settled,
                (SELECT count(*) FROM task_proposals p, unnest(p.source_message_ids) AS cited
                 WHERE p.run_id = r.id AND NOT EXISTS (SELECT FROM messages m WHERE m.id = cited)) AS invented
            FROM analysis_runs r WHERE r.id = $1
            """,
            run_id,
        )
    finally:
        await connection.close()
    assert row is not None
    assert row["batches"] == row["batches_created"] == row["done"] == row["batches_completed"] == row["settled"]
    assert row["batched"] == row["messages_after_prefilter"]
    assert row["total_messages_in_window"] == row["messages_after_prefilter"] + sum(
        json.loads(row["filtered_by_reason"]).values()
    )
    assert row["proposals"] == row["proposals_total"] == row["proposals_pending"] > 0
    assert row["events"] == row["last_seq"]
    assert row["invented"] == 0


async def test_a_run_outlives_the_death_of_every_part(tmp_path: Path) -> None:
    with ModelServer() as model:
        async with serving(tmp_path / "data", "--no-sample") as service:
            messages = [
                {
                    "source": "s",
                    "channel": "c",
                    "external_id": str(number),
                    "author": "ada",
                    "sent_at": f"2024-01-01T{number // 60:02d}:{number % 60:02d}:00Z",
                    "content": f"please look at part number {number}",
                }
                for number in range(600)
            ]
            await service.post("/messages", {"messages": messages})
            model.script(latency=0.5)
            body = {
                "time_window_start": "2024-01-01T00:00:00Z",
                "time_window_end": "2024-01-02T00:00:00Z",
                "agent_assignment_id": await stand_in_assignment(service, model),
                "options": {"max_batch_size": 10, "concurrency": 2},
            }
            run_id = (await service.post("/analysis/runs", body, status=201))["id"]
            await service.post(f"/analysis/runs/{run_id}/start")
            killed_worker = 0
            for at, part in enumerate(("worker", "api", "temporal", "postgres"), start=1):
                await until(partial(_answered, model, 4 * at))
                killed_worker += model.stats().in_flight if part == "worker" else 0
                await service.kill(part)
            await service.run_until(run_id, "completed")
            await _check_books(service, run_id)
            # Only what was in flight in the killed worker is asked again.
            assert model.stats().calls <= 60 + max(killed_worker, 2), service.log("worker")


async def _answered(model: ModelServer, least: int) -> bool:
    return sum(model.stats().answered.values()) >= least


@needs_data
async def test_the_meeting_log_and_a_month_of_the_docker_log_are_analysed_whole(tmp_path: Path) -> None:
    # Thousands of titles to measure would take a minute more; what they mean is judged elsewhere.
    lean = {"GLEANER_EMBEDDINGS": "off"}
    async with serving(tmp_path / "data", "--no-sample", environment=lean) as service:
        meeting = await _import(service, MEETING_LOG, "ubuntu")
        docker = await _import(service, DOCKER_LOG, "docker")
        assert meeting["read"] == 1200
        assert docker["read"] == 28586
        assignment = await offline_assignment(service)
        for start, end in (("2010-11-08", "2010-11-10"), ("2016-01-01", "2016-02-01")):
            body = {
                "time_window_start": f"{start}T00:00:00Z",
                "time_window_end": f"{end}T00:00:00Z",
                "agent_assignment_id": assignment,
            }
            run_id = (await service.post("/analysis/runs", body, status=201))["id"]
            await service.post(f"/analysis/runs/{run_id}/start")
            run = await service.run_until(run_id, "completed", "failed")
            assert run["status"] == "completed", run["error_log"]
            await _check_books(service, run_id)
