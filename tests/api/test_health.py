"""Whether the service lives, and whether its parts answer."""

from sqlalchemy import text

from db import heartbeats
from db.engine import Database
from settings import Settings
from tests.support.api import ServedApi, serve_api
from tests.support.builders import add_run


async def test_the_process_lives_while_nothing_else_does(settings: Settings) -> None:
    alone = settings.model_copy(update={"temporal_address": "127.0.0.1:1", "database_url": _nowhere(settings)})
    async with serve_api(alone) as api:
        assert await api.get("/health/live") == {"status": "live"}
        ready = await api.get("/health/ready", status=503)
        assert not any(part["ok"] for part in ready["parts"].values())


async def test_a_service_without_a_worker_is_not_ready(api: ServedApi) -> None:
    ready = await api.get("/health/ready", status=503)
    assert {name: part["ok"] for name, part in ready["parts"].items()} == {
        "database": True,
        "temporal": True,
        "worker": False,
    }


async def test_a_service_whose_worker_beats_is_ready(api: ServedApi, database: Database) -> None:
    async with database.transaction() as session:
        await heartbeats.beat(session, "worker-1", ["gleaner"])
        await heartbeats.beat(session, "worker-2", ["gleaner-model"])
    assert (await api.get("/health/ready"))["status"] == "ready"


async def test_a_service_whose_workers_leave_a_queue_alone_is_not_ready_and_its_runs_say_so(
    api: ServedApi, database: Database
) -> None:
    run = await add_run(database, status="running", stage="extracting")
    async with database.transaction() as session:
        await heartbeats.beat(session, "worker-1", ["gleaner"])
    worker = (await api.get("/health/ready", status=503))["parts"]["worker"]
    assert "gleaner-model" in worker["detail"]
    progress = await api.get(f"/analysis/runs/{run.id}/progress")
    assert (progress["worker_polling"], progress["waiting_for"]) == (False, "worker")
    async with database.transaction() as session:
        await heartbeats.beat(session, "worker-2", ["gleaner-model"])
    progress = await api.get(f"/analysis/runs/{run.id}/progress")
    assert (progress["worker_polling"], progress["waiting_for"]) == (True, None)


async def test_a_database_without_tables_or_with_another_password_is_named(
    settings: Settings, database: Database
) -> None:
    async with database.transaction() as session:
        await session.execute(text("DROP TABLE worker_heartbeats"))
    dsn = settings.database_url.get_secret_value()
    async with serve_api(settings) as api:
        parts = (await api.get("/health/ready", status=503))["parts"]
        assert parts["worker"] == {"ok": False, "detail": "answers with UndefinedTableError"}
    wrong = type(settings.database_url)(dsn.replace("@", "x@"))
    async with serve_api(settings.model_copy(update={"database_url": wrong})) as api:
        parts = (await api.get("/health/ready", status=503))["parts"]
        assert parts["database"] == {"ok": False, "detail": "answers with InvalidPasswordError"}


async def test_the_stats_of_an_empty_service_name_every_state_of_a_run(api: ServedApi) -> None:
    stats = await api.get("/stats")
    assert stats["runs"]["pending"] == stats["proposals_pending"] == stats["messages"] == 0
    assert set(stats["runs"]) == {
        "pending", "running", "paused", "completed", "reviewed", "closed", "failed", "cancelled",
    }  # fmt: skip


def _nowhere(settings: Settings) -> object:
    return type(settings.database_url)("postgresql://nobody:nothing@127.0.0.1:1/none")
