"""What the model's stand-in says: a good answer for the messages that it was shown, or one of many bad ones."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.support.model_script import Rule

Answer = dict[str, Any]
Json = dict[str, Any]

MESSAGES_PER_PROPOSAL = 10
CHARACTERS_PER_TOKEN = 4
_PAIR = re.compile(r'\[(?P<ref>p\d+)\] (?P<new>"(?:[^"\\]|\\.)*") \| (?P<earlier>"(?:[^"\\]|\\.)*")')
_LINE = re.compile(r"\[(?P<ref>[^\]\s]+)\] (?P<author>.+?) \((?P<time>[^)]+)\): (?P<text>.*)")


@dataclass(frozen=True)
class ShownLine:
    """A message as the prompt shows it."""

    ref: str
    author: str
    time: str
    text: str


@dataclass(frozen=True)
class Reply:
    """An HTTP reply. A body that is text is sent as HTML."""

    status: int
    body: Json | str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Rude:
    """What a rude provider repeats in its complaints."""

    prompt: str
    authorization: str


def first_user_text(request: Json) -> str:
    for message in request.get("messages", []):
        if isinstance(message, dict) and message.get("role") == "user":
            content: str | list[Json] = message["content"]
            return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)
    return ""


def read_lines(prompt: str) -> list[ShownLine]:
    """Every line of the form `[REF] AUTHOR (TIME): TEXT` but those that are context."""
    matches = (_LINE.fullmatch(line) for line in prompt.split("\n"))
    return [ShownLine(**match.groupdict()) for match in matches if match is not None and match["ref"] != "context"]


def read_pairs(prompt: str) -> dict[str, tuple[str, str]]:
    """By their refs the titles of a question whether pairs of them mean the same work; empty for any other question."""
    matches = (_PAIR.fullmatch(line) for line in prompt.split("\n"))
    return {found["ref"]: (json.loads(found["new"]), json.loads(found["earlier"])) for found in matches if found}


def pairs_answer(pairs: Mapping[str, tuple[str, str]], *, same: bool) -> Answer:
    return {"pairs": [{"ref": ref, "same": same} for ref in pairs]}


def answer_for(lines: list[ShownLine]) -> Answer:
    """One proposal for every ten messages, citing the first and the last of the ten. The same for the same messages."""
    groups = [lines[at : at + MESSAGES_PER_PROPOSAL] for at in range(0, len(lines), MESSAGES_PER_PROPOSAL)]
    return {"proposals": [_proposal(group) for group in groups]}


def _proposal(lines: Sequence[ShownLine]) -> Json:
    first, last = lines[0], lines[-1]
    return {
        "title": f"Follow up on: {' '.join(first.text.split())[:150]}",
        "description": f"{len(lines)} messages by {first.author} and others.",
        "priority": "medium",
        "category": "chore",
        "confidence": 0.8,
        "reasoning": "Every group of messages is a task to the stand-in.",
        "recommendation": "new_task",
        "source_message_ids": list(dict.fromkeys([first.ref, last.ref])),
        "assignee": first.author,
        "tags": ["stand-in"],
        "quotes": [{"ref": first.ref, "text": first.text[:100]}],
    }


Count = Callable[[str], int]
"""The tokens of a text."""


def reply(request: Json, answer: Answer, rule: Rule | None, rude: Rude, count: Count | None = None) -> Reply:
    """The reply to a call of Chat Completions, in the mode that it asks for."""
    do = rule.do if rule is not None else "ok"
    if rule is not None and (error := _error(rule, rude)) is not None:
        return error
    text = _spoiled_text(do, json.dumps(_spoiled(do, answer)))
    bound = request.get("max_completion_tokens") or request.get("max_tokens") or len(text)
    cut = text[: int(bound) * CHARACTERS_PER_TOKEN]
    finish = "length" if do == "truncated" or cut != text else "stop"
    completion = _completion(request, cut, finish, prose=do == "prose")
    return Reply(200, completion if do == "no_usage" else completion | {"usage": _usage(request, cut, count)})


def _error(rule: Rule, rude: Rude) -> Reply | None:
    wait = {"retry-after": rule.retry_after} if rule.retry_after is not None else {}
    echo = f"Invalid request: {rude.prompt} with {rude.authorization}"
    match rule.do:
        case "rate_limited":
            return Reply(429, _complaint("Rate limit reached", "rate_limit_exceeded"), wait)
        case "quota":
            return Reply(429, _complaint("You exceeded your current quota", "insufficient_quota"))
        case "server_error":
            return Reply(rule.status, _complaint("The server had an error", "server_error"), wait)
        case "context_too_long":
            return Reply(400, _complaint("Maximum context length is 8192 tokens", "context_length_exceeded"))
        case "unauthorized":
            return Reply(401, _complaint(f"Incorrect API key: {rude.authorization}", "invalid_api_key"))
        case "unknown_model":
            return Reply(404, _complaint("The model does not exist", "model_not_found"))
        case "rejected":
            return Reply(400, _complaint(echo, "invalid_request_error"))
        case "redirect":
            return Reply(307, {}, {"location": rule.location})
        case "html":
            return Reply(200, "<html><body>Please sign in</body></html>")
    return None


def _complaint(message: str, code: str) -> Json:
    return {"error": {"message": message, "type": code, "code": code}}


def _spoiled(do: str, answer: Answer) -> Answer:
    changes: dict[str, Json] = {
        "wrong_ids": {"source_message_ids": ["m99999"]},
        "no_ids": {"source_message_ids": []},
        "bad_confidence": {"confidence": 85},
        "bad_enum": {"category": "docs"},
    }
    if do == "empty":
        return {"proposals": []}
    if do not in changes:
        return answer
    return {"proposals": [proposal | changes[do] for proposal in answer["proposals"]]}


def _spoiled_text(do: str, text: str) -> str:
    match do:
        case "truncated":
            return text[: len(text) // 2]
        case "invalid_json":
            return text[:-2]
        case "prose":
            return "I had a look at the messages and found some nice tasks in them."
    return text


def _usage(request: Json, text: str, count: Count | None) -> Json:
    """By the characters of the messages, or counted, with what the request says of the answer's form."""
    said = [str(message.get("content") or "") for message in request["messages"]]
    if count is None:
        asked, answered = sum(map(len, said)) // CHARACTERS_PER_TOKEN, -(-len(text) // CHARACTERS_PER_TOKEN)
    else:
        form = [json.dumps(request[part]) for part in ("tools", "response_format") if part in request]
        asked, answered = sum(map(count, [*said, *form])), count(text)
    return {"prompt_tokens": asked, "completion_tokens": answered, "total_tokens": asked + answered}


def _completion(request: Json, text: str, finish: str, *, prose: bool) -> Json:
    tools = request.get("tools")
    if tools and not prose:
        name = tools[0]["function"]["name"]
        call = {"id": "call_1", "type": "function", "function": {"name": name, "arguments": text}}
        message: Json = {"role": "assistant", "content": None, "tool_calls": [call]}
        finish = "tool_calls" if finish == "stop" else finish
    else:
        message = {"role": "assistant", "content": text}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": request.get("model", "stand-in"),
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
    }
