"""One question to a model: asked within its schema, checked against its batch, counted request by request."""

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any

from pydantic_ai import Agent, ModelRetry, NativeOutput, PromptedOutput, RunContext, ToolOutput
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.settings import ModelSettings

from analysis.costs import Price, cost_of, estimate_tokens
from analysis.prompts import RenderedPrompt
from analysis.proposals import Answer, AnswerInvalidError, ProposalDraft, parse_answer
from llm.errors import as_failure
from llm.providers import ProviderConnection, build_model
from models.conversation import ChatMessage
from models.values import OutputMode

RE_ASKS = 2
"""How often a bad answer is asked again."""


@dataclass(frozen=True)
class ExtractionCall:
    """What to ask whom."""

    connection: ProviderConnection
    model_name: str
    prompt: RenderedPrompt
    messages: Sequence[ChatMessage]
    temperature: float | None = None
    max_tokens: int | None = None
    price: Price | None = None


@dataclass
class CallRecord:
    """What a call used, kept up to date while it runs and left filled when it fails or is cancelled.

    `cost_usd` is None where a price is unknown; `raw_answer` is the last answer as the model gave it, JSON or not.
    """

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: Decimal | None = Decimal(0)
    latency_ms: int = 0
    raw_answer: str | None = None
    model: str | None = None


BeforeRequest = Callable[[int], Awaitable[None]]
"""Awaited before every HTTP request, re-asks included, with the estimated input tokens."""


async def extract(
    call: ExtractionCall, *, before_request: BeforeRequest | None = None, record: CallRecord
) -> list[ProposalDraft]:
    """The proposals that the model finds in the batch. ModelFailure for everything that can go wrong with a model.

    An answer that doesn't fit is asked again at most twice, with the reason. No library retries anything.
    """
    counted = _CountedModel(build_model(call.connection, call.model_name), call, before_request, record)
    try:
        await _agent(call.connection.mode).run(
            call.prompt.user,
            model=counted,
            instructions=call.prompt.system,
            deps=call,
            model_settings=_settings(call),
        )
    except Exception as error:
        failure = as_failure(error)
        if failure is None:
            raise
        raise failure from error
    assert record.raw_answer is not None
    return parse_answer(record.raw_answer, call.prompt.refs, call.messages)


@lru_cache
def _agent(mode: OutputMode) -> Agent[ExtractionCall, Answer]:
    agent: Agent[ExtractionCall, Answer] = Agent(
        output_type=_OUTPUTS[mode](), deps_type=ExtractionCall, retries={"output": RE_ASKS}, name="extraction"
    )

    @agent.output_validator
    def check(context: RunContext[ExtractionCall], answer: Answer) -> Answer:
        try:
            parse_answer(answer, context.deps.prompt.refs, context.deps.messages)
        except AnswerInvalidError as invalid:
            raise ModelRetry(str(invalid)) from invalid
        return answer

    return agent


_OUTPUTS: dict[OutputMode, Callable[[], Any]] = {
    "tool": lambda: ToolOutput(Answer, name="proposals", description="The tasks found in the messages."),
    "native": lambda: NativeOutput(Answer, name="proposals"),
    "prompted": lambda: PromptedOutput(Answer, name="proposals"),
}


def _settings(call: ExtractionCall) -> ModelSettings:
    settings = ModelSettings(
        max_retries=0,
        request_timeout=call.connection.request_timeout_seconds,
        timeout=call.connection.request_timeout_seconds,
    )
    if call.temperature is not None:
        settings["temperature"] = call.temperature
    if call.max_tokens is not None:
        settings["max_tokens"] = call.max_tokens
    return settings


class _CountedModel(WrapperModel):
    """Waits before each request and counts what came of it."""

    def __init__(
        self, wrapped: Model, call: ExtractionCall, before_request: BeforeRequest | None, record: CallRecord
    ) -> None:
        super().__init__(wrapped)
        self._call = call
        self._before_request = before_request
        self._record = record
        self._estimate = estimate_tokens(call.prompt.system) + estimate_tokens(call.prompt.user)

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        if self._before_request is not None:
            await self._before_request(self._estimate)
        record = self._record
        record.requests += 1
        begun = time.monotonic()
        try:
            response = await super().request(messages, model_settings, model_request_parameters)
        finally:
            record.latency_ms += round((time.monotonic() - begun) * 1000)
        self._count(response)
        return response

    def _count(self, response: ModelResponse) -> None:
        record, call = self._record, self._call
        record.input_tokens += response.usage.input_tokens
        record.output_tokens += response.usage.output_tokens
        record.model = response.model_name or call.model_name
        record.raw_answer = _raw(response) or record.raw_answer
        cost = cost_of(
            call.connection.type,
            call.model_name,
            input_tokens=response.usage.input_tokens,
            output_tokens=response.usage.output_tokens,
            own_price=call.price,
        )
        record.cost_usd = None if cost is None or record.cost_usd is None else record.cost_usd + cost


def _raw(response: ModelResponse) -> str | None:
    """The answer as the model wrote it: the arguments of its tool call, else its text."""
    for part in response.parts:
        if isinstance(part, ToolCallPart):
            return part.args_as_json_str()
    texts = [part.content for part in response.parts if isinstance(part, TextPart)]
    return _unfenced("".join(texts)) if texts else None


def _unfenced(text: str) -> str:
    """The text without the Markdown fence that models put around JSON, and without what stands before or after it."""
    start, end = text.find("{"), text.rfind("}")
    return text[start : end + 1] if 0 <= start < end else text
