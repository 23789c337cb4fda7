"""Runs over HTTP: what is taken, what is refused, and that a refusal changes nothing."""

import asyncio
import base64
import random
from typing import Any
from uuid import UUID, uuid4

import pytest

from analysis.estimates import CHARACTERS_PER_TOKEN, frame_tokens
from analysis.prompts import PROMPT_VERSION
from analysis.tokenizers import counter_for
from db.defaults import ensure_offline_assignment
from db.engine import Database
from tests.support.api import ServedApi

WINDOW = {"time_window_start": "2025-10-09T00:00:00Z", "time_window_end": "2025-10-10T00:00:00Z"}


@pytest.fixture
async def assignment(database: Database) -> str:
    return str(await ensure_offline_assignment(database))


def _body(assignment: str, **more: Any) -> dict[str, Any]:
    return {**WINDOW, "agent_assignment_id": assignment, **more}


async def _refused(api: ServedApi, body: Any, status: int) -> dict[str, Any]:
    reply = await api.http.post(f"{api.url}/api/v1/analysis/runs", json=body)
    assert reply.status_code == status, reply.text
    assert reply.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = reply.json()
    assert (await api.http.get(f"{api.url}/api/v1/analysis/runs")).json()["total"] == 0
    return problem


async def _create(api: ServedApi, body: Any) -> dict[str, Any]:
    reply = await api.http.post(f"{api.url}/api/v1/analysis/runs", json=body)
    assert reply.status_code == 201, reply.text
    run: dict[str, Any] = reply.json()
    return run


async def test_a_run_is_created_pending_with_its_configuration(api: ServedApi, assignment: str) -> None:
    run = await _create(api, _body(assignment, options={"concurrency": 3}))
    assert (run["status"], run["last_seq"], run["cost_estimate"]) == ("pending", 1, "0")
    assert run["options"]["concurrency"] == 3
    assert run["options"]["max_batch_size"] == 50
    assert run["config_snapshot"]["agent"]["model_name"] == "rules-1"
    assert run["config_snapshot"]["prompt_version"] == PROMPT_VERSION
    again = (await api.http.get(f"{api.url}/api/v1/analysis/runs/{run['id']}")).json()
    assert again == run


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"time_window_end": WINDOW["time_window_start"]}, "time_window_end"),
        ({"time_window_start": "2025-10-09T00:00:00"}, "time_window_start"),
        ({"time_window_start": "yesterday"}, "time_window_start"),
        ({"time_window_start": 1773100800}, "time_window_start"),
        ({"colour": "red"}, "colour"),
        ({"trigger_type": "cosmic"}, "trigger_type"),
        ({"options": {"concurrency": 0}}, "concurrency"),
        ({"options": {"max_batch_size": 5}}, "max_batch_size"),
        ({"options": {"nonsense": 1}}, "nonsense"),
        ({"filters": {"source_ids": ["x"]}}, "source_ids"),
    ],
)
async def test_a_field_that_can_not_be_taken_is_named(
    api: ServedApi, assignment: str, change: dict[str, Any], field: str
) -> None:
    problem = await _refused(api, {**_body(assignment), **change}, 422)
    assert field in str(problem["errors"])


async def test_unknown_parts_are_400(api: ServedApi, assignment: str) -> None:
    assert (await _refused(api, _body(str(uuid4())), 400))["code"] == "unknown_agent_assignment"
    unknown_project = _body(assignment, project_config_id=str(uuid4()))
    assert (await _refused(api, unknown_project, 400))["code"] == "unknown_project"


async def _assignment(api: ServedApi, provider: dict[str, str], model_name: str) -> str:
    """The id of an assignment whose agent asks that model."""
    post, base = api.http.post, f"{api.url}/api/v1"
    made = (await post(f"{base}/providers", json={"name": "P", **provider})).json()
    agent = {"name": "A", "provider_id": made["id"], "model_name": model_name, "system_prompt": "x"}
    agent_id = (await post(f"{base}/agents", json=agent)).json()["id"]
    task = (await post(f"{base}/task-configs", json={"name": "T"})).json()
    assigned = (await post(f"{base}/agents/{agent_id}/tasks", json={"task_id": task["id"]})).json()
    return str(assigned["id"])


async def test_a_budget_on_a_model_without_a_price_is_refused(api: ServedApi) -> None:
    homemade = await _assignment(api, {"type": "ollama", "base_url": api.url}, "homemade")
    problem = await _refused(api, _body(homemade, options={"budget_usd": "1.50"}), 422)
    assert problem["code"] == "price_unknown"
    run = await _create(api, _body(homemade))
    assert run["cost_estimate"] is None
    base = f"{api.url}/api/v1"
    limits = f"{base}/analysis/runs/{run['id']}/limits"
    refused = await api.http.patch(limits, json={"budget_usd": "1.50"})
    assert (refused.status_code, refused.json()["code"]) == (422, "price_unknown")
    [provider] = [one for one in (await api.get("/providers"))["items"] if one["type"] == "ollama"]
    prices = {"input_price_per_mtok": "1", "output_price_per_mtok": "2"}
    assert (await api.http.patch(f"{base}/providers/{provider['id']}", json=prices)).status_code == 200
    changed = await api.http.patch(limits, json={"budget_usd": "1.50"})
    assert (changed.status_code, changed.json()["cost_estimate"]) == (200, "0")


async def test_of_ten_overlapping_creates_at_once_one_wins(api: ServedApi, assignment: str) -> None:
    replies = await asyncio.gather(
        *(api.http.post(f"{api.url}/api/v1/analysis/runs", json=_body(assignment)) for _ in range(10))
    )
    assert sorted(reply.status_code for reply in replies) == [201] + [409] * 9
    created = next(reply.json()["id"] for reply in replies if reply.status_code == 201)
    refused = [reply.json() for reply in replies if reply.status_code == 409]
    assert {problem["code"] for problem in refused} == {"run_overlap"}
    assert {problem["conflicting_run_id"] for problem in refused} == {created}


async def test_windows_that_touch_do_not_overlap(api: ServedApi, assignment: str) -> None:
    await _create(api, _body(assignment))
    after = {"time_window_start": WINDOW["time_window_end"], "time_window_end": "2025-10-11T00:00:00Z"}
    await _create(api, {**_body(assignment), **after})


async def _say(api: ServedApi, *texts: str) -> None:
    """Ada says that, a minute apart."""
    messages = [
        {
            "source": "s",
            "channel": "c",
            "external_id": str(number),
            "author": "ada",
            "sent_at": f"2025-10-09T10:{number:02}:00Z",
            "content": text,
        }
        for number, text in enumerate(texts)
    ]
    reply = await api.http.post(f"{api.url}/api/v1/messages", json={"messages": messages})
    assert reply.status_code < 300, reply.text


async def test_a_preview_says_what_a_run_would_see_and_stores_nothing(api: ServedApi, assignment: str) -> None:
    await _say(api, "haha that was a good one", "🎉🎉", "ok", "API down!", "please review the new docs, @ada")
    reply = await api.http.post(f"{api.url}/api/v1/analysis/runs/preview", json=_body(assignment))
    assert reply.status_code == 200, reply.text
    seen = reply.json()
    assert (seen["messages_in_window"], seen["messages_after_prefilter"], seen["batches"]) == (5, 3, 1)
    assert seen["filtered_by_reason"] == {"no_text": 1, "too_short": 1}
    assert {reason: [one["text"] for one in some] for reason, some in seen["filtered_samples"].items()} == {
        "no_text": ["🎉🎉"],
        "too_short": ["ok"],
    }
    scored = {**_body(assignment), "options": {"prefilter": "scored"}}
    seen_by_score = (await api.http.post(f"{api.url}/api/v1/analysis/runs/preview", json=scored)).json()
    assert seen_by_score["filtered_by_reason"] == {"no_text": 1, "too_short": 1, "unlikely": 2}
    assert seen["estimated_input_tokens"] > 0
    assert seen["estimated_cost_usd"] == "0"
    assert (await api.http.get(f"{api.url}/api/v1/analysis/runs")).json()["total"] == 0


async def test_a_preview_counts_with_the_tokenizer_of_a_model_that_has_a_public_one(api: ServedApi) -> None:
    """Base64 has three times the tokens that are estimated of as many characters."""
    noise = base64.b64encode(random.Random(1).randbytes(3000)).decode()
    await _say(api, f"please decode this for the release: {noise}")
    known = await _assignment(api, {"type": "openai", "api_key": "sk-none"}, "gpt-4o-mini")
    reply = await api.http.post(f"{api.url}/api/v1/analysis/runs/preview", json=_body(known))
    count = await counter_for("openai", "gpt-4o-mini")
    frame = frame_tokens("x", None, count)
    assert reply.json()["estimated_input_tokens"] - frame == pytest.approx(count(noise), rel=0.05)
    assert count(noise) > 2.5 * len(noise) / CHARACTERS_PER_TOKEN


async def test_lists_are_paged_newest_first_and_filtered(api: ServedApi, assignment: str) -> None:
    made = []
    for day in range(1, 6):
        window = {"time_window_start": f"2024-01-0{day}T00:00:00Z", "time_window_end": f"2024-01-0{day}T12:00:00Z"}
        made.append((await _create(api, {**_body(assignment), **window}))["id"])
    await api.http.post(f"{api.url}/api/v1/analysis/runs/{made[0]}/cancel")
    listed: list[str] = []
    cursor = None
    while True:
        page = (
            await api.http.get(
                f"{api.url}/api/v1/analysis/runs", params={"limit": 2, "cursor": cursor} if cursor else {"limit": 2}
            )
        ).json()
        assert page["total"] == 5
        listed += [run["id"] for run in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert listed == list(reversed(made))
    cancelled = (await api.http.get(f"{api.url}/api/v1/analysis/runs", params={"status": "cancelled"})).json()
    assert [run["id"] for run in cancelled["items"]] == made[:1]


async def test_a_cancelled_pending_run_can_be_closed_and_nothing_else(api: ServedApi, assignment: str) -> None:
    run = await _create(api, _body(assignment))
    base = f"{api.url}/api/v1/analysis/runs/{run['id']}"
    cancelled = await api.http.post(f"{base}/cancel")
    assert (cancelled.status_code, cancelled.json()["status"]) == (202, "cancelled")
    for command, code in (
        ("start", "run_not_pending"),
        ("pause", "invalid_transition"),
        ("retry", "invalid_transition"),
    ):
        refused = await api.http.post(f"{base}/{command}")
        assert (refused.status_code, refused.json()["code"]) == (409, code)
    closed = await api.http.put(f"{base}/close")
    assert (closed.status_code, closed.json()["status"]) == (200, "closed")
    assert closed.json()["accuracy_metrics"]["proposals_total"] == 0


async def test_a_command_that_takes_no_fields_refuses_one(api: ServedApi, assignment: str) -> None:
    run = await _create(api, _body(assignment))
    for command in ("start", "pause", "resume", "cancel", "retry", "close"):
        problem = await api.post(f"/analysis/runs/{run['id']}/{command}", {"colour": "red"}, status=422)
        assert "colour" in str(problem["errors"])
    await api.post(f"/proposals/{uuid4()}/reopen", {"colour": "red"}, status=422)
    assert (await api.post(f"/analysis/runs/{run['id']}/cancel", {}, status=202))["status"] == "cancelled"


async def test_an_unknown_run_is_404_everywhere(api: ServedApi) -> None:
    base = f"{api.url}/api/v1/analysis/runs/{UUID(int=0)}"
    for path in ("", "/progress", "/batches", "/events"):
        assert (await api.http.get(base + path)).json()["code"] == "run_not_found"
    for path in ("/start", "/pause", "/resume", "/cancel", "/retry", "/close"):
        assert (await api.http.post(base + path)).json()["code"] == "run_not_found"
    assert (await api.http.patch(f"{base}/limits", json={"concurrency": 2})).json()["code"] == "run_not_found"


async def test_limits_of_a_pending_run_can_be_changed(api: ServedApi, assignment: str) -> None:
    run = await _create(api, _body(assignment))
    base = f"{api.url}/api/v1/analysis/runs/{run['id']}"
    changed = await api.http.patch(f"{base}/limits", json={"concurrency": 20, "budget_usd": "2.50"})
    assert changed.status_code == 200
    assert changed.json()["options"]["concurrency"] == 20
    assert changed.json()["options"]["budget_usd"] == "2.50"


async def test_the_same_idempotency_key_creates_one_run(api: ServedApi, assignment: str) -> None:
    headers = {"Idempotency-Key": "once"}
    first = await api.http.post(f"{api.url}/api/v1/analysis/runs", json=_body(assignment), headers=headers)
    second = await api.http.post(f"{api.url}/api/v1/analysis/runs", json=_body(assignment), headers=headers)
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()


async def test_a_body_of_ten_megabytes_is_judged_and_one_of_seventeen_is_not_read(
    api: ServedApi, assignment: str
) -> None:
    large = await api.http.post(f"{api.url}/api/v1/analysis/runs", json=_body(assignment, note="x" * 10_000_000))
    assert large.status_code == 422
    huge = await api.http.post(f"{api.url}/api/v1/analysis/runs", json=_body(assignment, note="x" * 17_000_000))
    assert (huge.status_code, huge.json()["code"]) == (413, "body_too_large")
