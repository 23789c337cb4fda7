"""`gleaner eval`: how good a model's proposals are, on labelled conversations by whole runs."""

import asyncio
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

import typer

from commands import console
from commands.api_client import ApiClient, ApiError
from commands.stack import KEYLESS, api_part, worker_part
from commands.watching import events
from db import messages, windows
from db.defaults import ensure_offline_assignment
from db.engine import Database
from db.migrate import upgrade
from devstack.stack import Stack, StackConfig, run_stack
from errors import GleanerError
from evaluation.data_sets import DataSet, conversations
from evaluation.figures import Made, Report, count, report
from evaluation.rendering import compared, rendered
from evaluation.talks import Talk, window
from sample.scoring import ScoredProposal
from sample.workspace import MessageRef
from settings import get_settings

FOUND = Path(__file__).parents[2] / "shared" / "data"
"""Where the conversations that don't come with the project are looked for."""


@dataclass(frozen=True)
class _Model:
    """Which model is asked, and how it is reached."""

    type: str
    name: str
    base_url: str | None
    key: str | None = field(repr=False)
    output_mode: str
    request_timeout: float
    concurrency: int | None
    max_tokens: int | None


def evaluate(
    data_sets: Annotated[list[DataSet] | None, typer.Argument(help="Default: all that there are.")] = None,
    data: Annotated[
        Path | None,
        typer.Option(help="The folder of meetings and letters. Default: ../shared/data, where it is there."),
    ] = None,
    provider: Annotated[str, typer.Option(help="The provider's type.")] = "offline",
    model: Annotated[str, typer.Option(help="The model's name.")] = "rules",
    base_url: Annotated[str | None, typer.Option(help="Where a compatible server stands.")] = None,
    key_variable: Annotated[
        str | None, typer.Option("--api-key-variable", help="The environment variable that holds the provider's key.")
    ] = None,
    output_mode: Annotated[str, typer.Option(help="auto, tool, native (a JSON schema) or prompted.")] = "auto",
    request_timeout: Annotated[float, typer.Option(help="Seconds that a request may take.")] = 60,
    concurrency: Annotated[int | None, typer.Option(help="Requests that the server takes at a time.")] = None,
    max_tokens: Annotated[int | None, typer.Option(help="Tokens that an answer may have.")] = None,
    prompt_version: Annotated[
        Literal["2", "3", "4"],
        typer.Option(help="2 shows messages by the clock, 3 by conversation and with context, 4 in local times, too."),
    ] = "4",
    prefilter: Annotated[str, typer.Option(help="rules, scored or off.")] = "rules",
    max_batch_size: Annotated[int | None, typer.Option(help="Messages of a batch at most.")] = None,
    output: Annotated[Path | None, typer.Option(help="Write the figures to this file, too, as JSON.")] = None,
    before: Annotated[Path | None, typer.Option("--compare", help="Show the change since these figures.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Run an extractor over labelled conversations, on a stack of its own, and say how good it is."""
    earlier = None if before is None else _figures_of(before)
    key = key_from(key_variable)
    folder = data or (FOUND if FOUND.is_dir() else None)
    chosen = data_sets or [one for one in DataSet if one.is_own or folder is not None]
    try:
        talks = {one: conversations(one, folder) for one in chosen}
    except GleanerError as error:
        console.misused(str(error))
    asked = _Model(provider, model, base_url, key, output_mode, request_timeout, concurrency, max_tokens)
    options = {"prefilter": prefilter, "max_batch_size": max_batch_size}
    given = {name: value for name, value in options.items() if value is not None}
    found = _run_all(talks, asked, given, prompt_version)
    figures = [one.to_json() for one in found]
    if output is not None:
        output.write_text(json.dumps(figures, indent=2, ensure_ascii=False))
    if as_json:
        console.show_json(figures)
        return
    console.say("\n\n".join(rendered(one) for one in found))
    if earlier is not None:
        console.say(compared(earlier, figures))


def key_from(variable: str | None) -> str | None:
    """The key that the environment holds under that name; the command ends where it holds none."""
    key = None if variable is None else os.environ.get(variable)
    if variable is not None and key is None:
        console.misused(f"The environment has no {variable}.")
    return key


def _figures_of(path: Path) -> list[dict[str, Any]]:
    try:
        figures: list[dict[str, Any]] = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        console.misused(f"{path} holds no figures of an earlier `gleaner eval --output`: {error}")
    return figures


def _run_all(
    talks: Mapping[DataSet, Sequence[Talk]], model: _Model, options: Mapping[str, object], prompt_version: str
) -> list[Report]:
    """The reports, from a stack that is gone afterwards."""
    found: list[Report] = []

    async def prepare(dsn: str) -> None:
        await upgrade(dsn)
        async with Database(dsn, pool_size=2) as database:
            await ensure_offline_assignment(database)
            async with database.transaction() as session:
                by_source = {one.value: [m for talk in its for m in talk.messages] for one, its in talks.items()}
                await messages.store(session, by_source, source_type="api")

    async def evaluate_all(stack: Stack) -> int:
        try:
            with ApiClient(get_settings(), stack.api_url) as api:
                assignment = _assignment(api, model)
                for name, its in talks.items():
                    found.append(await _evaluated(api, stack.dsn, name.value, its, assignment, options))
        except ApiError as error:
            console.err.print(str(error), markup=False)
            return 1
        return 0

    with tempfile.TemporaryDirectory(prefix="gleaner-eval-") as folder:
        config = StackConfig(Path(folder) / "stack", 0, 0, 0)
        own = {**KEYLESS, "GLEANER_ALLOW_PRIVATE_TARGETS": "true", "GLEANER_PROMPT_VERSION": prompt_version}
        code = asyncio.run(
            run_stack(
                config,
                api=api_part(own),
                worker=worker_part(own),
                migrate=prepare,
                on_ready=evaluate_all,
                announce=console.tell,
            )
        )
    if code:
        raise typer.Exit(code)
    return found


def _assignment(api: ApiClient, model: _Model) -> str:
    if model.type == "offline":
        return str(min(api.pages("/assignments", active_only=True), key=lambda item: item["id"])["id"])
    connection = {
        "base_url": model.base_url,
        "api_key": model.key,
        "output_mode": model.output_mode,
        "request_timeout_seconds": model.request_timeout,
        "max_concurrency": model.concurrency,
    }
    given = {name: value for name, value in connection.items() if value is not None}
    provider = api.post("/providers", {"name": "Evaluated", "type": model.type, **given})
    agent = api.post(
        "/agents",
        {
            "name": "Evaluated",
            "provider_id": provider["id"],
            "model_name": model.name,
            "max_tokens": model.max_tokens,
        },
    )
    task = api.post("/task-configs", {"name": "Evaluation"})
    return str(api.post(f"/agents/{agent['id']}/tasks", {"task_id": task["id"]})["id"])


async def _evaluated(
    api: ApiClient, dsn: str, data_set: str, talks: Sequence[Talk], assignment: str, options: Mapping[str, object]
) -> Report:
    """The report of one run over the data set."""
    start, end = window(talks)
    source = next(item for item in api.pages("/sources") if item["name"] == data_set)
    # A project of its own: data sets share their days, and must not remember each other's tasks.
    project = api.post("/projects", {"name": data_set})
    body = {
        "time_window_start": start.isoformat(),
        "time_window_end": end.isoformat(),
        "agent_assignment_id": assignment,
        "project_config_id": project["id"],
        "filters": {"source_ids": [source["id"]]},
        "options": options,
    }
    previewed = api.post("/analysis/runs/preview", body)
    created = api.post("/analysis/runs", body)
    run_id = created["id"]
    api.post(f"/analysis/runs/{run_id}/start")
    async for event in events(api, created):
        last = event
    run = api.get(f"/analysis/runs/{run_id}")
    if last["event"] != "run_completed" and not _nothing_but_bad_batches(run):
        raise ApiError(f"The run over {data_set} ended as {run['status']}: {run['error_log']}")
    shown = {item["id"]: item for item in api.pages("/messages", source=data_set)}
    refs = {message_id: (item["channel"], item["external_id"]) for message_id, item in shown.items()}
    talk_of = {ref: talk.id for talk in talks for ref in talk.refs()}
    made = [
        (talk_of[refs[one["source_message_ids"][0]]], _made(one, shown, refs))
        for one in api.pages("/proposals", run_id=run_id)
    ]
    kept = frozenset(refs[str(one)] for one in await _kept(dsn, UUID(run_id)))
    return report(
        data_set,
        run["config_snapshot"]["agent"]["model_name"],
        [(talk, count(talk, [one for of, one in made if of == talk.id], kept)) for talk in talks],
        batches=run["batches_created"],
        batches_failed=run["batches_failed"],
        tokens=run["llm_tokens_used"],
        estimate=previewed["estimated_input_tokens"] / max(run["input_tokens"], 1),
        cost_usd=_dollars(run["cost_estimate"]),
        previewed_usd=_dollars(previewed["estimated_cost_usd"]),
    )


def _dollars(amount: str | None) -> float | None:
    return None if amount is None else float(amount)


def _nothing_but_bad_batches(run: Mapping[str, Any]) -> bool:
    """Whether the run failed because the model did, on each batch for itself: that is a result like any other."""
    return bool(run["error_log"]) and run["error_log"]["code"] == "all_batches_failed"


def _made(proposal: Mapping[str, Any], shown: Mapping[str, Any], refs: Mapping[str, MessageRef]) -> Made:
    return Made(
        ScoredProposal(
            proposal["proposed_title"],
            proposal["proposed_description"],
            proposal["proposed_assignee"],
            frozenset(refs[one] for one in proposal["source_message_ids"] if one in refs),
        ),
        due=proposal["due_date"] is not None,
        quoted=all(
            quote["quote"] in shown[quote["message_id"]]["content"]
            for quote in proposal["evidence"]
            if quote["message_id"] in shown
        ),
    )


async def _kept(dsn: str, run_id: UUID) -> Sequence[UUID]:
    """The messages that the prefilter let through."""
    async with Database(dsn, pool_size=1) as database, database.transaction() as session:
        return await windows.kept_messages(session, run_id)
