"""Exports over HTTP and by command."""

import csv
import io
import json
import os
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from db.engine import Database
from models.run import AnalysisRun
from tests.support.api import ServedApi
from tests.support.builders import add_messages, add_project, add_proposals, add_run
from tests.support.service import gleaner, output_of

LARGE = 20_000


@pytest.fixture
async def run(database: Database) -> AnalysisRun:
    return await add_run(database, status="completed")


async def approved(api: ServedApi, database: Database, run: AnalysisRun, **proposal: Any) -> str:
    [proposal_id] = await add_proposals(database, run.id, **proposal)
    task_id: str = (await api.post(f"/proposals/{proposal_id}/approve"))["task_id"]
    return task_id


async def export(api: ServedApi, path: str, **query: Any) -> str:
    reply = await api.http.get(path, params=query)
    assert reply.status_code == 200, reply.text
    return reply.text


def rows_of(document: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(document, newline="")))


@pytest.mark.parametrize(
    ("format_", "media_type", "ending"),
    [("csv", "text/csv", ".csv"), ("jsonl", "application/x-ndjson", ".jsonl"), ("markdown", "text/markdown", ".md")],
)
@pytest.mark.parametrize("kind", ["tasks", "proposals"])
async def test_an_export_is_a_file_of_its_kind(
    api: ServedApi, kind: str, format_: str, media_type: str, ending: str
) -> None:
    reply = await api.http.get(f"/{kind}/export", params={"format": format_})
    assert reply.status_code == 200
    assert reply.headers["content-type"].startswith(media_type)
    name = reply.headers["content-disposition"]
    assert name.startswith(f'attachment; filename="gleaner-{kind}-')
    assert name.endswith(f'{ending}"')


async def test_tasks_are_exported_as_the_list_shows_them(api: ServedApi, database: Database, run: AnalysisRun) -> None:
    project = await add_project(database, name="Web")
    for title, of in (("Fix it", project), ("Sell it", None), ("Ship it", project)):
        await approved(api, database, run, proposed_title=title, project_config_id=of)
    listed = (await api.get("/tasks"))["items"]
    lines = [json.loads(line) for line in (await export(api, "/tasks/export", format="jsonl")).splitlines()]
    assert sorted(lines, key=lambda line: line["id"]) == sorted(listed, key=lambda item: item["id"])
    assert [line["title"] for line in lines] == ["Ship it", "Fix it", "Sell it"]
    only = rows_of(await export(api, "/tasks/export", project_config_id=project, q="ship"))
    assert [row["title"] for row in only] == ["Ship it"]


async def test_markdown_quotes_the_evidence(api: ServedApi, database: Database, run: AnalysisRun) -> None:
    [message_id] = await add_messages(database, "please do it")
    evidence = [{"message_id": str(message_id), "quote": "please [do](https://x.example) it"}]
    await approved(api, database, run, source_message_ids=[message_id], evidence=evidence)
    for kind, heading in (("tasks", "## Without a project"), ("proposals", f"## Run {run.id}")):
        document = await export(api, f"/{kind}/export", format="markdown")
        assert heading in document
        assert r"“please \[do\](https\://x.example) it” – " in document


async def test_what_repeats_others_is_exported_only_when_asked_for(
    api: ServedApi, database: Database, run: AnalysisRun
) -> None:
    await add_proposals(database, run.id, 2)
    async with database.transaction() as session:
        await session.execute(
            text(
                "UPDATE task_proposals SET status = 'suppressed', suppressed_reason = 'known_task'"
                " WHERE proposed_title = 'Fix part 0'"
            )
        )
    assert len(rows_of(await export(api, "/proposals/export", run_id=run.id))) == 1
    assert len(rows_of(await export(api, "/proposals/export", run_id=run.id, include="suppressed"))) == 2


async def test_a_wrong_request_is_a_problem(api: ServedApi) -> None:
    for path, query in (("/tasks/export", {"format": "xls"}), ("/proposals/export", {"min_confidence": 2})):
        reply = await api.http.get(path, params=query)
        assert reply.status_code == 422
        assert reply.headers["content-type"] == "application/problem+json"


async def _many_tasks(database: Database, count: int = LARGE, words: int = 100) -> None:
    async with database.transaction() as session:
        await session.execute(
            text(
                "INSERT INTO tasks (title, description) SELECT 'Task ' || n, repeat('words ', CAST(:words AS integer))"
                " FROM generate_series(1, CAST(:count AS integer)) AS n"
            ),
            {"count": count, "words": words},
        )


async def test_a_large_export_comes_in_parts_of_one_moment(api: ServedApi, database: Database) -> None:
    await _many_tasks(database)
    sizes: list[int] = []
    seen = b""
    async with api.http.stream("GET", "/tasks/export", params={"format": "jsonl"}) as reply:
        async for piece in reply.aiter_raw():
            if not sizes:
                async with database.transaction() as session:
                    await session.execute(text("DELETE FROM tasks"))
            sizes.append(len(piece))
            seen += piece
    assert seen.count(b"\n") == LARGE
    assert len(sizes) >= LARGE // 500
    assert max(sizes) < len(seen) / 10


async def test_slow_readers_keep_nobody_from_the_database(api: ServedApi, database: Database) -> None:
    await _many_tasks(database, 1000, 4000)  # more than what sockets hold of it
    async with AsyncExitStack() as readers:
        for _ in range(api.resources.settings.database_pool_size):
            stream = api.http.stream("GET", "/tasks/export", params={"format": "jsonl"})
            pieces = (await readers.enter_async_context(stream)).aiter_raw()
            readers.push_async_callback(pieces.aclose)  # type: ignore[attr-defined]  # a generator, which httpx hides
            await anext(pieces)
        assert (await api.get("/tasks", limit=1))["total"] == 1000


async def test_a_reader_that_goes_away_leaves_nothing_behind(api: ServedApi, database: Database) -> None:
    await _many_tasks(database)
    async with api.http.stream("GET", "/tasks/export", params={"format": "jsonl"}) as reply:
        await anext(reply.aiter_raw())
    assert (await api.get("/tasks", limit=1))["total"] == LARGE


async def test_a_link_of_a_tracker_is_of_one_task_and_finds_it(
    api: ServedApi, database: Database, run: AnalysisRun
) -> None:
    first, second = [await approved(api, database, run) for _ in range(2)]
    link: dict[str, Any] = {"external_system": "linear", "external_id": "ENG-7"}
    await api.patch_version(f"/tasks/{first}", link, 1)
    assert [item["id"] for item in (await api.get("/tasks", **link))["items"]] == [first]
    taken = await api.patch_version(f"/tasks/{second}", link, 1, status=409)
    assert taken["code"] == "external_link_taken"
    half = await api.patch_version(f"/tasks/{second}", {"external_id": "ENG-8"}, 1, status=422)
    assert half["code"] == "external_link_incomplete"
    await api.patch_version(f"/tasks/{first}", {"external_system": None, "external_id": None}, 2)
    await api.patch_version(f"/tasks/{second}", link, 1)
    trail = await api.get("/audit", entity_id=first, action="edit")
    assert [entry["after"].get("external_id") for entry in trail["items"]] == [None, "ENG-7"]


async def test_a_task_that_a_tracker_has_is_not_withdrawn(api: ServedApi, database: Database, run: AnalysisRun) -> None:
    task_id = await approved(api, database, run)
    await api.patch_version(f"/tasks/{task_id}", {"external_system": "linear", "external_id": "ENG-7"}, 1)
    [proposal] = (await api.get("/proposals", run_id=run.id))["items"]
    assert (await api.post(f"/proposals/{proposal['id']}/reopen", status=409))["code"] == "task_linked"


async def test_the_command_writes_a_file_or_to_the_terminal(
    api: ServedApi, database: Database, run: AnalysisRun, tmp_path: Path
) -> None:
    project = await add_project(database, name="Web")
    await approved(api, database, run, proposed_title="Ship it", project_config_id=project)
    await approved(api, database, run, proposed_title="Sell it")
    environment = {"GLEANER_API_URL": api.url}
    printed = await output_of(["export", "--project", "Web", "--format", "jsonl"], environment)
    assert [json.loads(line)["title"] for line in printed.splitlines()] == ["Ship it"]
    file = tmp_path / "tasks.csv"
    assert await output_of(["export", "tasks", "--output", str(file)], environment) == ""
    assert {row["title"] for row in rows_of(file.read_text())} == {"Ship it", "Sell it"}
    assert "--force" in await output_of(["export", "--output", str(file)], environment, status=2)
    await output_of(["export", "proposals", "--run", str(run.id), "-o", str(file), "--force"], environment)
    assert len(rows_of(file.read_text())) == 2
    assert os.listdir(tmp_path) == ["tasks.csv"]


async def test_the_command_says_what_is_wrong(api: ServedApi, tmp_path: Path) -> None:
    environment = {"GLEANER_API_URL": api.url}
    assert "invalid" in (await output_of(["export", "--format", "xls"], environment, status=2)).lower()
    assert "proposals" in await output_of(["export", "--run", "x"], environment, status=2)
    assert "no project" in await output_of(["export", "--project", "Nowhere"], environment, status=1)
    assert "status" in await output_of(["export", "--status", "gone"], environment, status=1)
    nowhere = str(tmp_path / "none" / "tasks.csv")
    assert "can't be written" in await output_of(["export", "--output", nowhere], environment, status=1)
    away = {"GLEANER_API_URL": "http://127.0.0.1:9"}
    assert "does not answer" in await output_of(["export"], away, status=1)


async def test_a_reader_of_the_command_that_has_enough_ends_it_quietly(api: ServedApi, database: Database) -> None:
    await _many_tasks(database)
    process = await gleaner("export", environment={"GLEANER_API_URL": api.url})
    assert process.stdout is not None
    await process.stdout.readline()
    process.stdout._transport.close()  # type: ignore[attr-defined]  # the only way to close the reading end
    assert await process.wait() == 0
