"""A model whose requests wait for their turn, are bounded in time and are counted."""

import asyncio
import time
from dataclasses import replace
from functools import lru_cache
from typing import Any

from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.settings import ModelSettings

from analysis.costs import cost_of
from analysis.tokenizers import Counter
from errors import ModelFailure
from llm.calls import Asked, BeforeRequest
from llm.errors import CUT_OFF, as_failure
from llm.first_request import FirstRequest
from models.texts import storable

_RE_ASK_TOKENS = 100
"""Of a reason and the frame that the library puts around it."""


class CountedModel(WrapperModel):
    """Waits before each request, bounds its time, translates its errors and counts what came of it."""

    def __init__(
        self,
        wrapped: Model,
        asked: Asked[Any],
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
        """The first request stays the batch alone, whatever people wrote.

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
            raise self._asked.explained(failure) from None
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
            return storable(part.args if isinstance(part.args, str) else part.args_as_json_str())
    return storable("".join(part.content for part in response.parts if isinstance(part, TextPart)))
