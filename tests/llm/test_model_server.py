"""The stand-in itself, as a program: what the chaos tests rely on."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from pydantic_ai.models import override_allow_model_requests

from analysis.prompts import render
from errors import ModelFailure
from llm.calls import CallRecord
from llm.extraction import ExtractionCall, extract
from llm.providers import ProviderConnection
from models.conversation import ChatMessage
from tests.support.chat import conversation
from tests.support.model_answers import answer_for, read_lines
from tests.support.model_script import Rule, Stats, prompt_hash
from tests.support.model_server import ModelServer
from tests.support.waiting import until

ROOT = Path(__file__).parents[2]


@pytest.fixture
async def program() -> AsyncIterator[str]:
    """The address of a stand-in in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.model_server", "--port", "0", stdout=asyncio.subprocess.PIPE, cwd=ROOT,
        env={**os.environ, "PYTHONWARNINGS": "error"},
    )  # fmt: skip
    assert process.stdout is not None
    line = (await process.stdout.readline()).decode()
    assert line.startswith("ready http://127.0.0.1:")
    yield line.split()[1]
    process.terminate()
    await process.communicate()


async def ask(url: str, messages: list[ChatMessage]) -> None:
    connection = ProviderConnection("openai", f"{url}/v1", request_timeout_seconds=10)
    with override_allow_model_requests(True):
        await extract(ExtractionCall(connection, "stand-in", render(messages), messages), record=CallRecord())


async def test_it_runs_as_a_program_and_is_told_over_http_what_to_do(program: str) -> None:
    poison, healthy = conversation(3, text="poison"), conversation(3)
    async with httpx2.AsyncClient(base_url=program) as client:
        rules = [{"do": "server_error", "status": 503, "text": "poison"}, {"do": "rate_limited", "calls": [2]}]
        assert (await client.post("/control", json={"rules": rules})).status_code == 200

        await ask(program, healthy)
        for messages in (healthy, poison):
            with pytest.raises(ModelFailure):
                await ask(program, messages)
        await ask(program, healthy)
        stats = Stats(**(await client.get("/stats")).json())

    assert stats.calls == 4
    assert stats.outcomes == {"ok": 2, "rate_limited": 1, "server_error": 1}
    assert stats.answered == {prompt_hash(render(healthy).user): 2}
    assert stats.asked == {prompt_hash(render(healthy).user): 3, prompt_hash(render(poison).user): 1}
    assert (stats.in_flight, stats.max_in_flight) == (0, 1)
    assert len(stats.prompts) == 4


async def test_it_counts_what_is_in_flight_and_notices_who_goes_away() -> None:
    with ModelServer() as server:
        server.script(latency=60)

        async def seen() -> Stats:
            return server.stats()

        tasks = [asyncio.create_task(ask(server.url, conversation(2))) for _ in range(7)]
        await until(seen, lambda stats: stats.in_flight == 7)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

        stats = await until(seen, lambda stats: stats.in_flight == 0)
        assert stats.max_in_flight == 7
        assert stats.outcomes == {"gone": 7}
        assert stats.answered == {}


async def test_a_share_of_the_calls_fails_alike_for_the_same_seed() -> None:
    async def failed(seed: int) -> list[bool]:
        server.script(Rule("server_error", probability=0.5), seed=seed)
        outcomes = []
        for _ in range(12):
            try:
                await ask(server.url, conversation(1))
                outcomes.append(False)
            except ModelFailure:
                outcomes.append(True)
        return outcomes

    with ModelServer() as server:
        first = await failed(1)
        assert first == await failed(1)
        assert first != await failed(2)
        assert 0 < sum(first) < 12


def test_its_answer_depends_on_the_messages_alone() -> None:
    messages, context = conversation(25), conversation(2, text="[m7] nobody (never): context")
    lines = read_lines(render(messages, context=context).user)

    assert [line.ref for line in lines] == [f"m{number}" for number in range(1, 26)]
    assert answer_for(lines) == answer_for(read_lines(render(messages, context=context).user))
    assert [p["source_message_ids"] for p in answer_for(lines)["proposals"]] == [
        ["m1", "m10"],
        ["m11", "m20"],
        ["m21", "m25"],
    ]
    assert answer_for([]) == {"proposals": []}
