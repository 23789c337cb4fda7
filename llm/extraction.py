"""The question for the tasks of a batch."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from analysis.answers import answer_schema
from analysis.costs import Price
from analysis.prompts import RenderedPrompt
from analysis.proposals import ProposalDraft, parse_answer
from llm.asking import ask
from llm.calls import BeforeRequest, CallRecord, ModelCall
from llm.form import Form
from llm.providers import ProviderConnection
from models.conversation import ChatMessage

PROPOSALS = Form("proposals", "The tasks found in the messages.", answer_schema())


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

    def asked(self) -> ModelCall[list[ProposalDraft]]:
        return ModelCall(
            self.connection,
            self.model_name,
            self.prompt.system,
            self.prompt.user,
            PROPOSALS,
            partial(parse_answer, refs=self.prompt.refs, messages=self.messages),
            [text for message in self.messages for text in (message.text, message.author)],
            self.temperature,
            self.max_tokens,
            self.price,
        )


async def extract(
    call: ExtractionCall, *, before_request: BeforeRequest | None = None, record: CallRecord
) -> list[ProposalDraft]:
    """The proposals that the model finds in the batch; see `ask`."""
    return await ask(call.asked(), before_request=before_request, record=record)
