"""The offline extractor as a pydantic-ai model: rules that read the prompt's layout and answer like any provider."""

import asyncio
import json
from collections.abc import Sequence

from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    ModelResponsePart,
    TextPart,
    ToolCallPart,
    UserPromptPart,
)
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.settings import ModelSettings
from pydantic_ai.usage import RequestUsage

from analysis.costs import estimate_tokens
from analysis.prompts import Shown, ShownMessage, read_shown
from llm.offline import OfflineMessage, OfflineTask, extract_tasks


class OfflineModel(Model):
    """Answers from rules, in a thread, so that a long batch doesn't hold up the process. Tokens are
    estimates of what another model would be given and give."""

    def __init__(self, model_name: str) -> None:
        super().__init__()
        self._model_name = model_name

    @property
    def model_name(self) -> str:
        return self._model_name

    @property
    def system(self) -> str:
        return "offline"

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        user = _user_text(messages)
        answer = await asyncio.to_thread(_answer, read_shown(user))
        usage = RequestUsage(output_tokens=estimate_tokens(answer))
        part = _part(answer, model_request_parameters)
        return ModelResponse([part], usage=usage, model_name=self._model_name, provider_name="offline")


def _part(answer: str, parameters: ModelRequestParameters) -> ModelResponsePart:
    if parameters.output_tools:
        return ToolCallPart(parameters.output_tools[0].name, answer)
    return TextPart(answer)


def _user_text(messages: Sequence[ModelMessage]) -> str:
    """The first user message, which holds the batch."""
    for message in messages:
        if isinstance(message, ModelRequest):
            for part in message.parts:
                if isinstance(part, UserPromptPart) and isinstance(part.content, str):
                    return part.content
    raise ValueError("no user message")


def _answer(shown: Shown) -> str:
    tasks = extract_tasks(
        [_given(message) for message in shown.messages], [_given(message) for message in shown.context], shown.project
    )
    return json.dumps({"proposals": [_proposal(task) for task in tasks]}, ensure_ascii=False)


def _given(message: ShownMessage) -> OfflineMessage:
    return OfflineMessage(message.ref, message.author, message.sent_at, message.text)


def _proposal(task: OfflineTask) -> dict[str, object]:
    return {
        "title": task.title,
        "description": task.description,
        "priority": task.priority,
        "category": task.category,
        "confidence": task.confidence,
        "reasoning": task.reasoning,
        "recommendation": "new_task",
        "source_message_ids": list(task.source_refs),
        "assignee": task.assignee,
        "due_date": task.due_date.isoformat() if task.due_date else None,
        "tags": list(task.tags),
        "quotes": [{"ref": ref, "text": text} for ref, text in task.quotes],
    }
