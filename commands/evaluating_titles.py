"""`gleaner eval-duplicates` and `eval-projects`: how well titles are judged, on labelled ones."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Annotated, cast, get_args

import typer

from analysis.same_work import Pair, render
from commands import console
from commands.evaluating import key_from
from errors import ModelFailure
from evaluation import pairs, project_cases
from llm.asking import ask
from llm.calls import CallRecord
from llm.providers import ProviderConnection
from llm.same_work import same_work
from models.values import ProviderType

PATIENCE_SECONDS = 300.0
"""Of one request."""

Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


def evaluate_duplicates(
    provider: Annotated[str | None, typer.Option(help="The type of a provider to ask about what is doubtful.")] = None,
    model: Annotated[str, typer.Option(help="The model's name.")] = "",
    base_url: Annotated[str | None, typer.Option(help="Where a compatible server stands.")] = None,
    key_variable: Annotated[
        str | None, typer.Option("--api-key-variable", help="The environment variable that holds the provider's key.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Judge labelled pairs of titles, and say how well duplicates are told from tasks that only look like them."""
    asked = None
    if provider is not None:
        if provider not in get_args(ProviderType):
            console.misused(f"There is no provider type {provider!r}, only {', '.join(get_args(ProviderType))}.")
        connection = ProviderConnection(
            cast("ProviderType", provider), base_url, key_from(key_variable), request_timeout_seconds=PATIENCE_SECONDS
        )
        asked = partial(_same_work, connection, model)
    try:
        found = asyncio.run(pairs.judged(pairs.pairs(), asked))
    except ModelFailure as failure:
        console.err.print(str(failure), markup=False)
        raise typer.Exit(1) from None
    if as_json:
        console.show_json([asdict(row.pair) | {"verdict": row.verdict} for row in found])
    else:
        console.say(pairs.rendered(found))


async def _same_work(connection: ProviderConnection, model: str, of: Sequence[Pair]) -> Mapping[Pair, bool]:
    return await ask(same_work(connection, model, render(of)), record=CallRecord())


def evaluate_projects(as_json: Json = False) -> None:
    """Tell the projects of labelled proposals, and say how often that is right."""
    found = asyncio.run(project_cases.told(project_cases.cases()))
    if as_json:
        console.show_json([asdict(row.case) | {"told": row.project} for row in found])
    else:
        console.say(project_cases.rendered(found))
