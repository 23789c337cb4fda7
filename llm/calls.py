"""One question to a model, and what is known of it while it is asked."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Generic, TypeVar

from analysis.answers import AnswerInvalidError
from analysis.costs import Price
from errors import ModelFailure
from llm.form import Form
from llm.providers import ProviderConnection

T = TypeVar("T")

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
class Asked(Generic[T]):
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

    def explained(self, failure: ModelFailure) -> ModelFailure:
        """The failure of a bad answer with what is wrong with the answer; any other as it is."""
        if failure.kind != "bad_answer":
            return failure
        text = f"{failure.detail} Requests: {self.record.requests}. {self.fault() or ''}"
        return ModelFailure("bad_answer", text.strip())
