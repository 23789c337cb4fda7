"""One question to a model: asked within its schema, its answer read and checked, counted request by request."""

from functools import lru_cache
from typing import Any, TypeVar

from pydantic_ai import Agent, ModelRetry, NativeOutput, PromptedOutput, RunContext, StructuredDict, ToolOutput
from pydantic_ai.exceptions import AgentRunError, UserError
from pydantic_ai.output import OutputSpec
from pydantic_ai.settings import ModelSettings
from pydantic_ai.usage import UsageLimits

from analysis.costs import price_known
from analysis.tokenizers import counter_for
from llm.calls import Asked, BeforeRequest, CallRecord, ModelCall
from llm.counted import CountedModel
from llm.errors import as_failure
from llm.first_request import first_request
from llm.form import Form
from llm.providers import model_of, output_mode
from models.values import OutputMode

T = TypeVar("T")

RE_ASKS = 2
"""How often a bad answer is asked again."""


async def ask(call: ModelCall[T], *, before_request: BeforeRequest | None = None, record: CallRecord) -> T:
    """What the model answers. ModelFailure for everything that can go wrong with a model.

    An answer that doesn't fit is asked again at most twice, with the reason. No library retries anything.
    """
    if not price_known(call.connection.type, call.model_name, call.price):
        record.cost_usd = None
    asked = Asked(call, record)
    model = await model_of(call.connection, call.model_name)
    count = await counter_for(call.connection.type, call.model_name)
    mode = output_mode(call.connection, model)
    first = first_request(call.form, mode, type(model), call.model_name)
    counted = CountedModel(model, asked, count, before_request, first)
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
        raise asked.explained(failure) from None
    assert asked.found is not None  # the run ends with an answer that was read
    return asked.found


@lru_cache
def _agent(form: Form, mode: OutputMode) -> Agent[Asked[Any], dict[str, Any]]:
    agent: Agent[Asked[Any], dict[str, Any]] = Agent(
        output_type=_output(form, mode), deps_type=Asked, retries={"output": RE_ASKS}, name=form.name
    )

    @agent.output_validator
    def check(context: RunContext[Asked[Any]], answer: dict[str, Any]) -> dict[str, Any]:
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
