"""The name of a question: everything that shapes a model's answer, and nothing that doesn't."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from models.conversation import ChatMessage


def fingerprint(
    messages: Sequence[ChatMessage],
    *,
    context: Sequence[ChatMessage] = (),
    shown: Sequence[UUID] | None = None,
    snapshot: Mapping[str, Any],
    output_schema: Mapping[str, Any],
    layout: object,
) -> str:
    """SHA-256, in hex, of the messages in order and their context, the run's meaning (model, prompts, settings,
    project) and the schema of the answer. The rendered prompt is left out: its fences are random. `shown` is in which
    order the messages are shown, where that is another one: it decides which of them an answer names."""
    agent = snapshot["agent"]
    parts = {
        "messages": [[str(message.id), _content(message)] for message in messages],
        "provider_type": snapshot["provider"]["type"],
        "model": agent["model_name"],
        "system_prompt": agent["system_prompt"],
        "temperature": agent["temperature"],
        "max_tokens": agent["max_tokens"],
        "prompt_version": snapshot["prompt_version"],
        "project": snapshot["project"],
        "output_schema": output_schema,
        "layout": layout,
    }
    if context:  # the name of a question without any stays what it was
        parts["context"] = [[str(message.id), _content(message)] for message in context]
    if shown is not None and list(shown) != [message.id for message in messages]:
        parts["shown"] = [str(message_id) for message_id in shown]
    return hashlib.sha256(json.dumps(parts, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _content(message: ChatMessage) -> str:
    """What a prompt shows of a message, shortened."""
    shown = json.dumps([message.author, message.local.isoformat(), message.text])
    return hashlib.sha256(shown.encode(errors="surrogatepass")).hexdigest()[:32]
