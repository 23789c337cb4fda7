"""One question to a model: asked within its schema, its answer read and checked, counted request by request."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import lru_cache
from typing import Any, Generic, TypeVar

from pydantic_ai import Agent, ModelRetry, NativeOutput, PromptedOutput, RunContext, StructuredDict, ToolOutput
from pydantic_ai.exceptions import AgentRunError, UserError
from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.output import OutputSpec
from pydantic_ai.settings import ModelSettings
from pydantic_ai.usage import UsageLimits

from analysis.costs import Price, cost_of, price_known
from analysis.proposals import AnswerInvalidError
from analysis.tokenizers import Counter, counter_for
from errors import ModelFailure
from llm.errors import CUT_OFF, as_failure
from llm.first_request import FirstRequest, first_request
from llm.form import Form
from llm.providers import ProviderConnection, model_of, output_mode
from models.values import OutputMode

T = TypeVar("T")

RE_ASKS = 2
"""How often a bad answer is asked again."""

_RE_ASK_TOKENS = 100
"""Of a reason and the frame that the library puts around it."""
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")

BeforeRequest = Callable[[Callable[[], int]], Awaitable[int | None]]
"""Awaited before every HTTP request, re-asks included, with what estimates its input tokens, rather too many than too
few: to count them takes a while, and few runs want it.

Returns the bound of the answer in tokens, None for the call's own. What it raises ends the call and reaches the caller
unchanged.
"""


@dataclass(frozen=True)
class ModelCall(Generic[T]):
    """What to ask whom. `read` gives what an answer says, or raises AnswerInvalidError; `said` is what people said,
    which no error may repeat."""

    connection: ProviderConnection
    model_name: str
    system: str
    user: str
    form: Form
    read: Callable[[str], T]
    said: Sequence[str] = ()
    temperature: float | None = None
    max_tokens: int | None = None
    price: Price | None = None

    @property
    def private(self) -> tuple[str, ...]:
        """What no error may repeat."""
        return (self.connection.api_key or "", *self.said, self.user, self.system)


@dataclass
class CallRecord:
    """What a call used, kept up to date while it runs and left filled when it fails or is cancelled.

    `cost_usd` is in US dollars, None where the price is unknown. `raw_answer` is the last answer as the model gave it,
    JSON or not, also when it wasn't valid. `latency_ms` counts the requests, not the waiting before them.
    `under_way` stays true where a request was given up: nobody knows what it used.
    """

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: Decimal | None = Decimal(0)
    latency_ms: int = 0
    raw_answer: str | None = None
    model: str | None = None
    under_way: bool = False


@dataclass
class _Asked(Generic[T]):
    """A call under way: what each answer was worth. `found` is what the last good one says."""

    call: ModelCall[T]
    record: CallRecord
    found: T | None = None

    def fault(self) -> str | None:
        """Read the last answer; what is wrong with it, or None.

        What is stored is what is read, so that a stored answer can be read again.
        """
        if self.record.raw_answer is None:
            return None
        try:
            self.found = self.call.read(self.record.raw_answer)
        except AnswerInvalidError as invalid:
            return invalid.reason
        return None


async def ask(call: ModelCall[T], *, before_request: BeforeRequest | None = None, record: CallRecord) -> T:
    """What the model answers. ModelFailure for everything that can go wrong with a model.

    An answer that doesn't fit is asked again at most twice, with the reason. No library retries anything.
    """
    if not price_known(call.connection.type, call.model_name, call.price):
        record.cost_usd = None
    asked = _Asked(call, record)
    model = await model_of(call.connection, call.model_name)
    count = await counter_for(call.connection.type, call.model_name)
    mode = output_mode(call.connection, model)
    first = first_request(call.form, mode, type(model), call.model_name)
    counted = _CountedModel(model, asked, count, before_request, first)
    settings = _settings(call)
    try:
        if not await counted.answers_at_once(settings):
            await _agent(call.form, mode).run(
                call.user,
                model=counted,
                instructions=call.system,
                deps=asked,
                model_settings=settings,
                usage_limits=UsageLimits(request_limit=1 + RE_ASKS),
            )
    except (AgentRunError, UserError) as error:
        failure = as_failure(error, private=call.private)
        if failure is None:
            raise
        # Not `from error`: its text and that of its causes may repeat the prompt, and would follow into every log.
        raise _explained(failure, asked) from None
    assert asked.found is not None  # the run ends with an answer that was read
    return asked.found


def _explained(failure: ModelFailure, asked: _Asked[Any]) -> ModelFailure:
    """A bad answer's failure with what is wrong with the answer."""
    if failure.kind != "bad_answer":
        return failure
    return ModelFailure(
        "bad_answer", f"{failure.detail} Requests: {asked.record.requests}. {asked.fault() or ''}".strip()
    )


@lru_cache
def _agent(form: Form, mode: OutputMode) -> Agent[_Asked[Any], dict[str, Any]]:
    agent: Agent[_Asked[Any], dict[str, Any]] = Agent(
        output_type=_output(form, mode), deps_type=_Asked, retries={"output": RE_ASKS}, name=form.name
    )

    @agent.output_validator
    def check(context: RunContext[_Asked[Any]], answer: dict[str, Any]) -> dict[str, Any]:
        if fault := context.deps.fault():
            raise ModelRetry(fault)
        return answer

    return agent


def _output(form: Form, mode: OutputMode) -> OutputSpec[dict[str, Any]]:
    answer = StructuredDict(dict(form.schema), name=form.name, description=form.description)
    match mode:
        case "native":
            return NativeOutput(answer)
        case "prompted":
            return PromptedOutput(answer)
        case _:
            return ToolOutput(answer, name=form.name)


def _settings(call: ModelCall[Any]) -> ModelSettings:
    """The library's `request_timeout` isn't used: it would count the waiting before the request."""
    settings = ModelSettings()
    if call.connection.takes_request_options:
        settings["max_retries"] = 0
        settings["timeout"] = call.connection.request_timeout_seconds
    if call.temperature is not None:
        settings["temperature"] = call.temperature
    if call.max_tokens is not None:
        settings["max_tokens"] = call.max_tokens
    return settings


class _CountedModel(WrapperModel):
    """Waits before each request, bounds its time, translates its errors and counts what came of it."""

    def __init__(
        self,
        wrapped: Model,
        asked: _Asked[Any],
        count: Counter,
        before_request: BeforeRequest | None,
        first: FirstRequest,
    ) -> None:
        super().__init__(wrapped)
        self._first = first
        self._answered: ModelResponse | None = None
        """An answer that the agent is to go on from."""
        self._asked = asked
        self._before_request = before_request
        self._tokens = count
        self._raws: list[str] = []
        """The answers so far, which a re-ask repeats."""

    async def answers_at_once(self, settings: ModelSettings) -> bool:
        """Ask without the agent, where its request is known; False where the agent has to ask, or to go on."""
        call = self._asked.call
        known = self._first.of(call.user, call.system)
        if known is None:
            return False
        messages, parameters = known
        response = await self.request(messages, settings, parameters)
        if self._first.answered_by(response) and self._asked.fault() is None:
            return True
        self._answered = response
        return False

    def prepare_messages(
        self, messages: list[ModelMessage], model_request_parameters: ModelRequestParameters | None = None
    ) -> list[ModelMessage]:
        """The first request stays the batch alone, as API §7 has it, whatever people wrote.

        The library puts a note of its own before a text that holds something like `<system>`; ours is in the rules.
        """
        prepared = super().prepare_messages(messages, model_request_parameters)
        first, given = prepared[0], messages[0]
        assert isinstance(first, ModelRequest)
        assert isinstance(given, ModelRequest)
        return [replace(first, parts=given.parts), *prepared[1:]]

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        if self._answered is not None:
            response, self._answered = self._answered, None
            return response
        if self._asked.record.requests == 0:
            self._first.learn(self._asked.call.user, self._asked.call.system, messages, model_request_parameters)
        if self._before_request is not None:
            bound = await self._before_request(self._input_tokens)
            if bound is not None:
                model_settings = ModelSettings(**{**(model_settings or {}), "max_tokens": bound})
        call, record = self._asked.call, self._asked.record
        record.requests += 1
        record.under_way = True
        begun, seconds = time.monotonic(), call.connection.request_timeout_seconds
        try:
            async with asyncio.timeout(seconds):
                response = await super().request(messages, model_settings, model_request_parameters)
        except TimeoutError:
            raise ModelFailure("timeout", f"The provider gave no answer within {seconds:g} seconds.") from None
        except Exception as error:
            failure = as_failure(error, private=call.private)
            if failure is None:
                raise
            record.under_way = failure.kind == "timeout"
            raise _explained(failure, self._asked) from None
        finally:
            record.latency_ms += round((time.monotonic() - begun) * 1000)
        self._count(response)
        if response.finish_reason == "length" and (fault := self._asked.fault()):
            # To ask again would run into the same limit and pay for it.
            raise ModelFailure("bad_answer", f"{CUT_OFF} {fault}") from None
        return response

    def _input_tokens(self) -> int:
        """About those of the next request."""
        call, count = self._asked.call, self._tokens
        same = _counted_once(count, call.form.text) + _counted_once(count, call.system)
        return same + count(call.user) + sum(count(raw) + _RE_ASK_TOKENS for raw in self._raws)

    def _count(self, response: ModelResponse) -> None:
        record, call, usage = self._asked.record, self._asked.call, response.usage
        record.under_way = False
        raw = _raw(response)
        # Every request has input: none means that the server doesn't count, and a budget needs some figure.
        input_tokens = usage.input_tokens or self._input_tokens()
        output_tokens = usage.output_tokens or self._tokens(raw)
        record.input_tokens += input_tokens
        record.output_tokens += output_tokens
        record.model = call.model_name
        record.raw_answer = raw
        cost = cost_of(
            call.connection.type,
            call.model_name,
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            cached_input_tokens=usage.cache_read_tokens,
            own_price=call.price,
        )
        record.cost_usd = None if cost is None or record.cost_usd is None else record.cost_usd + cost
        self._raws.append(raw)


@lru_cache(maxsize=64)
def _counted_once(count: Counter, text: str) -> int:
    """For what all the batches of a run share."""
    return count(text)


def _raw(response: ModelResponse) -> str:
    """The answer as the model wrote it: the arguments of its tool call, else its text."""
    for part in response.parts:
        if isinstance(part, ToolCallPart):
            return _storable(part.args if isinstance(part.args, str) else part.args_as_json_str())
    return _storable("".join(part.content for part in response.parts if isinstance(part, TextPart)))


def _storable(text: str) -> str:
    """A text that PostgreSQL can hold."""
    return _UNSTORABLE.sub("", text)
