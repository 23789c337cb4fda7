"""What a run is configured with, and what it keeps of it."""

import json
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from analysis.costs import Price
from db import configuration
from db.configuration import Configuration, own_price
from db.engine import Database
from errors import BadRequest, Unprocessable
from models.agent import AgentConfig, AgentTaskAssignment, LLMProvider, TaskConfig
from models.base import new_id
from models.project import ProjectConfig
from models.run import AnalysisRun
from tests.support.builders import add_assignment, add_project, add_provider, add_run


async def load(database: Database, assignment_id: UUID, project_id: UUID | None = None) -> Configuration:
    async with database.transaction() as session:
        return await configuration.load(session, assignment_id, project_id)


def snapshot(found: Configuration) -> dict[str, Any]:
    return found.snapshot(default_prompt="Find tasks.", prompt_version="3")


async def test_a_snapshot_has_what_the_run_means(database: Database) -> None:
    provider = {"name": "Stand-in", "type": "openai"}
    assignment = await add_assignment(
        database, provider=provider, model_name="m-1", system_prompt="Find bugs.", temperature=0.1, max_tokens=500
    )
    project = await add_project(database, "login", name="Shop", glossary={"SSO": "single sign-on"})
    kept = snapshot(await load(database, assignment, project))
    assert kept["assignment_id"] == str(assignment)
    assert (kept["provider"]["name"], kept["provider"]["type"]) == ("Stand-in", "openai")
    agent = kept["agent"]
    assert (agent["model_name"], agent["system_prompt"]) == ("m-1", "Find bugs.")
    assert (agent["temperature"], agent["max_tokens"]) == (0.1, 500)
    assert (kept["project"]["id"], kept["project"]["keywords"]) == (str(project), ["login"])
    assert (kept["project"]["glossary"], kept["project"]["version"]) == ({"SSO": "single sign-on"}, "1.0.0")
    assert kept["prompt_version"] == "3"
    assert json.loads(json.dumps(kept)) == kept


async def test_a_snapshot_has_neither_key_nor_connection(database: Database) -> None:
    provider = {"type": "openai", "api_key_encrypted": b"sealed-canary", "base_url": "http://127.0.0.1:9/canary"}
    kept = snapshot(await load(database, await add_assignment(database, provider=provider)))
    assert "canary" not in json.dumps(kept)


async def test_an_agent_without_a_prompt_of_its_own_has_the_default_one(database: Database) -> None:
    kept = snapshot(await load(database, await add_assignment(database)))
    assert (kept["agent"]["system_prompt"], kept["project"]) == ("Find tasks.", None)


async def test_what_is_not_there_is_named(database: Database) -> None:
    with pytest.raises(BadRequest) as refused:
        await load(database, new_id())
    assert refused.value.code == "unknown_agent_assignment"
    with pytest.raises(BadRequest) as refused:
        await load(database, await add_assignment(database), new_id())
    assert refused.value.code == "unknown_project"


@pytest.mark.parametrize("part", [AgentTaskAssignment, AgentConfig, TaskConfig, LLMProvider])
async def test_a_part_that_is_switched_off_is_named(database: Database, part: type[Any]) -> None:
    found = await load(database, await add_assignment(database))
    found.check_active()
    [off] = [one for one in vars(found).values() if isinstance(one, part)]
    off.is_active = False
    with pytest.raises(BadRequest, match=getattr(off, "name", "assignment")) as refused:
        found.check_active()
    assert refused.value.code == "assignment_inactive"


async def test_a_project_that_is_switched_off_takes_no_run(database: Database) -> None:
    project = await add_project(database, is_active=False)
    found = await load(database, await add_assignment(database), project)
    assert isinstance(found.project, ProjectConfig)
    with pytest.raises(BadRequest, match=found.project.name) as refused:
        found.check_active()
    assert refused.value.code == "unknown_project"


async def test_the_connection_is_read_as_it_is_now(database: Database) -> None:
    provider_id = await add_provider(database, type="openai", base_url="http://127.0.0.1:1")
    async with database.transaction() as session:
        found = await configuration.provider(session, provider_id)
        assert found is not None
        found.base_url = "http://127.0.0.1:2"
    async with database.transaction() as session:
        again = await configuration.provider(session, provider_id)
        assert again is not None
        assert again.base_url == "http://127.0.0.1:2"
        assert await configuration.provider(session, new_id()) is None


@pytest.mark.parametrize(
    ("input_price", "output_price", "price"),
    [
        (Decimal("1.5"), Decimal(2), Price(Decimal("1.5"), Decimal(2))),
        (Decimal(0), Decimal(0), Price(Decimal(0), Decimal(0))),
        (Decimal(1), None, None),
        (None, Decimal(1), None),
        (None, None, None),
    ],
)
def test_a_price_of_its_own_needs_both_halves(
    input_price: Decimal | None, output_price: Decimal | None, price: Price | None
) -> None:
    provider = LLMProvider(
        name="Stand-in", type="openai", input_price_per_mtok=input_price, output_price_per_mtok=output_price
    )
    assert own_price(provider) == price


async def test_a_budget_goes_by_the_price_of_the_model_that_the_run_asks(database: Database) -> None:
    unpriced = await add_assignment(database, provider={"type": "ollama"}, model_name="homemade")
    kept = snapshot(await load(database, unpriced))
    begun = await add_run(database, status="running", agent_assignment_id=unpriced, config_snapshot=kept)
    pending = await add_run(database, day=1, agent_assignment_id=unpriced, config_snapshot=kept)
    for run in (begun, pending):
        await _check_price(database, run, "homemade")
    priced = {"provider": await add_provider(database), "assignment": unpriced}
    await _say(
        database,
        "UPDATE agent_configs SET provider_id = :provider, model_name = 'rules-1'"
        " WHERE id = (SELECT agent_id FROM agent_task_assignments WHERE id = :assignment)",
        **priced,
    )
    await _check_price(database, pending, None)
    await _check_price(database, begun, "homemade")
    await _say(database, "UPDATE llm_providers SET input_price_per_mtok = 1, output_price_per_mtok = 2")
    await _check_price(database, begun, None)
    begun.llm_requests = 3
    await _check_price(database, begun, "calls have cost is unknown")


async def _check_price(database: Database, run: AnalysisRun, refused: str | None) -> None:
    """`check_price` with the message of its refusal."""
    async with database.transaction() as session:
        if refused is None:
            await configuration.check_price(session, run)
            return
        with pytest.raises(Unprocessable, match=refused) as refusal:
            await configuration.check_price(session, run)
    assert refusal.value.code == "price_unknown"


async def _say(database: Database, statement: str, **values: object) -> None:
    async with database.transaction() as session:
        await session.execute(text(statement), values)
