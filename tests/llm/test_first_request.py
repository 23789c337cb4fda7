"""A question that is asked without the agent is, byte for byte, the one that the agent would ask."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from pydantic_ai.models import override_allow_model_requests
from pydantic_ai.models.openai import OpenAIChatModel

from analysis.prompts import render
from errors import ModelFailure
from llm.calls import CallRecord
from llm.extraction import PROPOSALS, ExtractionCall, extract
from llm.first_request import first_request
from llm.providers import OWN_SERVICES, ProviderConnection
from models.values import OutputMode, ProviderType
from tests.support.chat import conversation
from tests.support.model_script import Rule
from tests.support.model_server import ModelServer

IAM_PAIR = "AKIACANARY:secret-access-key-0123456789"
MODELS: dict[ProviderType, str] = {
    "openai": "gpt-4.1-mini",
    "ollama": "qwen3",
    "anthropic": "claude-stand-in",
    "google": "gemini-2.5-flash",
    "mistral": "mistral-small-latest",
    "groq": "llama-3.3-70b-versatile",
    "azure": "gpt-4o-mini",
    "bedrock": "anthropic.claude-3-haiku-20240307-v1:0",
}


class Listener(HTTPServer):
    """Keeps the path and the body of every request, and refuses it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.heard: list[tuple[str, bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Listener

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.heard.append((self.path, body))
        self.send_response(400)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing: pytest's output is for failures."""


@pytest.fixture(scope="module")
def listener() -> Iterator[Listener]:
    with override_allow_model_requests(True), Listener() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def forgotten() -> None:
    """No question was ever asked."""
    first_request.cache_clear()


def call_to(url: str, provider: ProviderType, mode: OutputMode, count: int) -> ExtractionCall:
    """A question about so many messages, with a system prompt of its own."""
    messages = conversation(count)
    connection = ProviderConnection(provider, url, IAM_PAIR if provider == "bedrock" else "sk-canary", mode)
    prompt = render(messages, system_prompt=f"Find {count} tasks.")
    return ExtractionCall(connection, MODELS[provider], prompt, messages)


@pytest.mark.parametrize("mode", ["tool", "native", "prompted"])
@pytest.mark.parametrize("provider", MODELS)
async def test_the_agent_s_request_is_the_one_that_is_made_without_it(
    listener: Listener, provider: ProviderType, mode: OutputMode, monkeypatch: pytest.MonkeyPatch
) -> None:
    if provider in OWN_SERVICES:  # so that each is asked in its own protocol
        monkeypatch.setitem(OWN_SERVICES, provider, "127.0.0.1")
    first = call_to(listener.url, provider, mode, 2)
    second = replace(call_to(listener.url, provider, mode, 5), temperature=0.25, max_tokens=700)

    async def asked(call: ExtractionCall) -> tuple[str, bytes] | str:
        listener.heard.clear()
        with pytest.raises(ModelFailure) as caught:
            await extract(call, record=CallRecord())
        return listener.heard[0] if listener.heard else str(caught.value)

    by_agent = await asked(second)
    first_request.cache_clear()
    await asked(first)
    assert await asked(second) == by_agent


async def test_an_answer_that_does_not_fit_is_the_agent_s_to_ask_again() -> None:
    with override_allow_model_requests(True), ModelServer() as model:
        model.script()
        await extract(call_to(model.base_url, "openai", "tool", 2), record=CallRecord())
        model.script(Rule("wrong_ids", times=1))
        record = CallRecord()

        found = await extract(call_to(model.base_url, "openai", "tool", 12), record=record)

        assert len(found) == 2
        assert record.requests == model.stats().calls == 2


async def test_what_is_kept_of_a_question_holds_none_of_its_words(listener: Listener) -> None:
    call = call_to(listener.url, "openai", "tool", 3)
    with pytest.raises(ModelFailure):
        await extract(call, record=CallRecord())

    kept = repr(first_request(PROPOSALS, "tool", OpenAIChatModel, MODELS["openai"]))

    assert "ToolDefinition" in kept
    for text in (call.prompt.system, *(message.text for message in call.messages)):
        assert text not in kept
