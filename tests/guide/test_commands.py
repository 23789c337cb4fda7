"""The `gleaner` command, against a running service."""

import json
from pathlib import Path

import pytest

from tests.guide.runs import completed_run
from tests.support.service import Service, output_of


@pytest.fixture
def environment(service: Service) -> dict[str, str]:
    return {"GLEANER_API_URL": service.stack["api"], "GLEANER_DATABASE_URL": service.stack["postgres"]}


async def test_run_watches_to_the_end_in_plain_lines_with_a_rising_per_cent(
    service: Service, environment: dict[str, str]
) -> None:
    await completed_run(service, "2024-07-01")
    printed = await output_of(
        ["run", "--from", "2024-07-02T00:00:00Z", "--to", "2024-07-03T00:00:00Z", "--watch"], environment
    )
    assert "0 messages in the window" in printed
    assert "completed: 0 proposals" in printed


async def test_an_overlapping_run_is_refused_in_words(service: Service, environment: dict[str, str]) -> None:
    await completed_run(service, "2024-08-01")
    window = ["--from", "2024-08-01T00:00:00Z", "--to", "2024-08-02T00:00:00Z"]
    printed = await output_of(["run", *window], environment, status=1)
    assert "run_overlap" in printed


async def test_a_time_without_an_offset_is_wrong_usage(environment: dict[str, str]) -> None:
    window = ["--from", "2024-08-01T00:00:00", "--to", "2024-08-02T00:00:00Z"]
    assert "no offset" in await output_of(["run", *window], environment, status=2)


async def test_a_run_takes_its_limits_from_the_command_line(service: Service, environment: dict[str, str]) -> None:
    window = ["--from", "2024-08-11T00:00:00Z", "--to", "2024-08-12T00:00:00Z"]
    limits = ["--budget", "2.50", "--concurrency", "3"]
    created = json.loads(await output_of(["run", *window, *limits, "--json"], environment))
    assert (created["options"]["budget_usd"], created["options"]["concurrency"]) == ("2.50", 3)
    assert "budget_usd" in await output_of(["run", *window, "--budget", "much"], environment, status=1)


async def test_runs_lists_as_json(service: Service, environment: dict[str, str]) -> None:
    run_id = await completed_run(service, "2024-09-01")
    page = json.loads(await output_of(["runs", "--json"], environment))
    assert run_id in [item["id"] for item in page["items"]]


async def test_import_is_idempotent_and_reports(environment: dict[str, str], tmp_path: Path) -> None:
    log = tmp_path / "chat.jsonl"
    message = {
        "source": "s",
        "channel": "c",
        "external_id": "1",
        "author": "a",
        "sent_at": "2024-01-01T00:00:00Z",
        "content": "hello there",
    }
    log.write_text(f"{json.dumps(message)}\nnot json\n")
    first = json.loads(await output_of(["import", "jsonl", str(log), "--json"], environment))
    assert (first["read"], first["inserted"], first["skipped_total"]) == (2, 1, 1)
    second = json.loads(await output_of(["import", "jsonl", str(log), "--json"], environment))
    assert (second["inserted"], second["unchanged"]) == (0, 1)


async def test_a_key_is_shown_once_listed_and_revoked(environment: dict[str, str]) -> None:
    made = json.loads(
        await output_of(["keys", "create", "ci", "--scope", "read", "--scope", "run", "--json"], environment)
    )
    assert made["key"].startswith("glnr_")
    listed = json.loads(await output_of(["keys", "list", "--json"], environment))
    assert made["key"] not in json.dumps(listed)
    assert [item["scopes"] for item in listed["items"] if item["id"] == made["id"]] == [["read", "run"]]
    assert "Revoked" in await output_of(["keys", "revoke", made["id"]], environment)
    assert await output_of(["keys", "create", "ci", "--scope", "root"], environment, status=2)


async def test_wrong_usage_ends_with_2_and_says_so() -> None:
    assert "No such command" in await output_of(["nonsense"], status=2)
    assert "Unknown format" in await output_of(["import", "fax", "x"], status=2)
