"""`gleaner doctor` and the figures for monitoring, against a running service."""

import json
from typing import Any

import pytest

from tests.guide.runs import completed_run
from tests.support.service import Service, output_of
from tests.support.waiting import until


@pytest.fixture
def environment(service: Service) -> dict[str, str]:
    return {
        "GLEANER_DATABASE_URL": service.stack["postgres"],
        "GLEANER_TEMPORAL_ADDRESS": service.stack["temporal"],
        "GLEANER_SECRET_KEY": "a secret of the tests",
    }


def _states(report: dict[str, Any]) -> dict[str, str]:
    return {check["what"]: check["state"] for check in report["checks"]}


async def test_a_healthy_service_has_nothing_to_complain_of(service: Service, environment: dict[str, str]) -> None:
    await completed_run(service, "2024-11-01")
    report = json.loads(await output_of(["doctor", "--json"], environment))
    assert report["healthy"] is True
    expected = (
        "secret key",
        "database",
        "schema",
        "worker of gleaner",
        "worker of gleaner-model",
        "temporal",
        "search attributes",
        "task queue gleaner",
        "task queue gleaner-model",
        "sweep",
    )
    states = _states(report)
    assert {what: states.get(what) for what in expected} == dict.fromkeys(expected, "ok")


async def test_what_is_away_is_named_with_what_to_do(environment: dict[str, str]) -> None:
    nowhere = {
        **environment,
        "GLEANER_DATABASE_URL": "postgresql://nobody:x@127.0.0.1:9/none",
        "GLEANER_TEMPORAL_ADDRESS": "127.0.0.1:9",
    }
    printed = await output_of(["doctor"], nowhere, status=1)
    assert "ERROR    database: does not answer" in printed
    assert "Start PostgreSQL" in printed
    assert "ERROR    temporal: does not answer" in printed
    assert "GLEANER_TEMPORAL_ADDRESS" in printed


async def test_a_missing_secret_is_named(environment: dict[str, str]) -> None:
    printed = await output_of(["doctor"], {**environment, "GLEANER_SECRET_KEY": ""}, status=1)
    assert "GLEANER_SECRET_KEY" in printed


async def test_the_figures_for_prometheus_follow_the_rows(service: Service) -> None:
    await completed_run(service, "2024-11-02")

    async def scraped() -> str:
        reply = await service.http.get("/metrics")
        assert reply.status_code == 200
        assert reply.headers["content-type"].startswith("text/plain")
        return reply.text

    printed = await until(scraped, lambda text: 'gleaner_model_calls_total{outcome="answered"}' in text)
    for line in (
        'gleaner_runs{status="completed"}',
        "gleaner_proposals_pending ",
        'gleaner_tokens_total{direction="input"}',
        'gleaner_sweep_findings{kind="no_workflow"} 0.0',
        'gleaner_worker_seen_seconds{queue="gleaner-model"}',
        "process_resident_memory_bytes",
    ):
        assert line in printed, line
