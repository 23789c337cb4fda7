"""What an attempt at a batch works on: its messages as a prompt, and the provider as it is now."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from analysis.answers import Answer
from analysis.conversations import leading
from analysis.fingerprints import fingerprint
from analysis.prompts import ProjectBrief, RenderedPrompt, render, shows_context
from db import batches
from db.batches import Asked
from db.limiter import Limits
from db.statements import On
from errors import Conflict
from models.agent import LLMProvider
from models.conversation import ChatMessage
from models.values import PausedReason, RunStatus
from workflows import contract

MAX_TOKENS_UNDER_BUDGET = 4096
_OUTPUT_SCHEMA = Answer.model_json_schema()


@dataclass
class Question:
    """A batch as a question. `settled`: somebody settled the batch already; `answered`: its answer is stored;
    `attempt`: the number of the attempt that asks it."""

    ref: contract.BatchRef
    batch: Asked
    provider: LLMProvider
    prompt: RenderedPrompt
    fingerprint: str
    settled: bool = False
    answered: bool = False
    attempt: int = 0

    @property
    def over(self) -> bool:
        """Whether nothing is to be asked any more."""
        return self.settled or self.answered

    @property
    def messages(self) -> list[ChatMessage]:
        return self.batch.messages

    @property
    def agent(self) -> dict[str, Any]:
        agent: dict[str, Any] = self.batch.snapshot["agent"]
        return agent

    @property
    def use_cache(self) -> bool:
        return bool(self.batch.options.get("use_cache", True))

    @property
    def limits(self) -> Limits:
        return Limits(
            self.provider.max_requests_per_minute, self.provider.max_tokens_per_minute, self.provider.max_concurrency
        )

    @property
    def budget(self) -> Decimal | None:
        return budget_of(self.batch.options)

    @property
    def max_tokens(self) -> int | None:
        """Of an answer: the agent's bound; under a budget there always is one."""
        own: int | None = self.agent["max_tokens"]
        return own if own is not None or self.budget is None else MAX_TOKENS_UNDER_BUDGET


def budget_of(options: Mapping[str, Any]) -> Decimal | None:
    """A run's, in US dollars."""
    budget = options.get("budget_usd")
    return None if budget is None else Decimal(budget)


def may_call(status: RunStatus, paused_reason: PausedReason | None, *, probing: bool) -> bool:
    """Whether the run may call its model now; a probe may while the provider's absence holds the run."""
    return status == "running" or (probing and paused_reason == "provider_unavailable")


async def read_question(on: On, ref: contract.BatchRef, *, probing: bool) -> Question | None:
    """The batch's question; None unless the run may call. Conflict when its provider is gone."""
    batch = await batches.asked(on, ref.run_id, ref.batch_no)
    if not may_call(batch.run_status, batch.paused_reason, probing=probing):
        return None
    if batch.provider is None:
        raise Conflict("provider_gone", "The run's provider does not exist any more.")
    gap, version = int(batch.options["time_gap_seconds"]), batch.snapshot["prompt_version"]
    context = leading(batch.earlier, batch.messages, time_gap_seconds=gap) if shows_context(version) else []
    prompt = render(
        batch.messages,
        context=context,
        system_prompt=batch.snapshot["agent"]["system_prompt"],
        project=ProjectBrief.of(batch.snapshot),
        time_gap_seconds=gap,
        version=version,
    )
    name = fingerprint(
        batch.messages,
        context=context,
        shown=list(prompt.refs.values()),
        snapshot=batch.snapshot,
        output_schema=_OUTPUT_SCHEMA,
        layout=gap,
    )
    settled = batch.status not in ("waiting", "running")
    return Question(ref, batch, batch.provider, prompt, name, settled=settled)
