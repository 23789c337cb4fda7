"""llama.cpp's Python server, taught to read OpenAI's present words. Runs in `.venv-local`, which has nothing of ours.

The server holds an answer to a schema by a grammar, but only where the schema stands as Anyscale once wrote it, and it
passes over `max_completion_tokens`: https://github.com/abetlen/llama-cpp-python/pull/1677 waits since 2024.
"""

import argparse
import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]


def in_its_words(request: dict[str, Any]) -> dict[str, Any]:
    """A call of Chat Completions as the server reads it."""
    translated = dict(request)
    bound = translated.pop("max_completion_tokens", None)
    if bound is not None:
        translated["max_tokens"] = bound
    answer = translated.get("response_format") or {}
    if answer.get("type") == "json_schema":
        translated["response_format"] = {"type": "json_object", "schema": answer["json_schema"]["schema"]}
    return translated


def translating(app: App) -> App:
    """The server's application behind the translation."""

    async def translated(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != "/v1/chat/completions":
            await app(scope, receive, send)
            return
        body = json.dumps(in_its_words(json.loads(await _body(receive)))).encode()
        headers = [(name, value) for name, value in scope["headers"] if name != b"content-length"]
        length = (b"content-length", str(len(body)).encode())
        whole: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive_translated() -> Message:
            return whole.pop() if whole else await receive()

        await app({**scope, "headers": [*headers, length]}, receive_translated, send)

    return translated


async def _body(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += bytes(message.get("body", b""))
        if not message.get("more_body"):
            return body


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--context", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    options = parser.parse_args()

    import uvicorn
    from llama_cpp.server.app import create_app
    from llama_cpp.server.settings import ModelSettings, ServerSettings

    model = ModelSettings(
        model=options.weights, n_ctx=options.context, n_threads=options.threads, n_threads_batch=options.threads
    )
    server = ServerSettings(host="127.0.0.1", port=options.port)
    app = create_app(server_settings=server, model_settings=[model])
    uvicorn.run(translating(app), host=server.host, port=server.port)


if __name__ == "__main__":
    main()
