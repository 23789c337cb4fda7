"""OpenAI's words as llama.cpp's Python server reads them."""

import json
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse

from evaluation.local_server import Message, Receive, Send, in_its_words, translating

SCHEMA = {"type": "object", "properties": {"proposals": {"type": "array"}}}


def test_a_schema_and_a_bound_are_put_as_the_server_has_them() -> None:
    asked = {
        "messages": [{"role": "user", "content": "hello"}],
        "max_completion_tokens": 10,
        "response_format": {"type": "json_schema", "json_schema": {"name": "proposals", "schema": SCHEMA}},
    }
    assert in_its_words(asked) == {
        "messages": asked["messages"],
        "max_tokens": 10,
        "response_format": {"type": "json_object", "schema": SCHEMA},
    }


@pytest.mark.parametrize(
    "asked", [{}, {"max_tokens": 10}, {"response_format": {"type": "json_object"}}, {"response_format": None}]
)
def test_what_the_server_knows_stays_as_it_is(asked: dict[str, Any]) -> None:
    assert in_its_words(asked) == asked


async def echo(scope: Message, receive: Receive, send: Send) -> None:
    """Replies with the body that it got."""
    request = Request(scope, receive)
    reply = JSONResponse({"length": int(request.headers["content-length"]), "body": await request.json()})
    await reply(scope, receive, send)


@pytest.mark.parametrize(
    ("path", "name"), [("/v1/chat/completions", "max_tokens"), ("/v1/completions", "max_completion_tokens")]
)
async def test_only_calls_of_chat_completions_are_translated(path: str, name: str) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(translating(echo)), base_url="http://model") as client:
        got = (await client.post(path, json={"max_completion_tokens": 10})).json()
    assert got["body"] == {name: 10}
    assert got["length"] >= len(json.dumps(got["body"], separators=(",", ":")))
