"""What an attempt at a batch works on: its messages as a prompt, and the provider as it is now."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from analysis.conversations import leading
from analysis.fingerprints import fingerprint
from analysis.prompts import ProjectBrief, RenderedPrompt, render, shows_context
from analysis.proposals import Answer
from db import batches, configuration, runs
from db.limiter import Limits
from errors import Conflict
from models.agent import LLMProvider
from models.conversation import ChatMessage
from models.run import AnalysisBatch, AnalysisRun
from workflows import contract

MAX_TOKENS_UNDER_BUDGET = 4096
_OUTPUT_SCHEMA = Answer.model_json_schema()


@dataclass
class Question:
    """A batch as a question. `settled`: somebody settled the batch already; `answered`: its answer is stored;
    `attempt`: the number of the attempt that asks it."""

    run: AnalysisRun
    batch: AnalysisBatch
    provider: LLMProvider
    messages: list[ChatMessage]
    prompt: RenderedPrompt
    fingerprint: str
    settled: bool = False
    answered: bool = False
    attempt: int = 0

    @property
    def agent(self) -> dict[str, Any]:
        agent: dict[str, Any] = self.run.config_snapshot["agent"]
        return agent

    @property
    def use_cache(self) -> bool:
        return bool(self.run.options.get("use_cache", True))

    @property
    def limits(self) -> Limits:
        return Limits(
            self.provider.max_requests_per_minute, self.provider.max_tokens_per_minute, self.provider.max_concurrency
        )

    @property
    def budget(self) -> Decimal | None:
        return budget_of(self.run)

    @property
    def max_tokens(self) -> int | None:
        """Of an answer: the agent's bound; under a budget there always is one."""
        own: int | None = self.agent["max_tokens"]
        return own if own is not None or self.budget is None else MAX_TOKENS_UNDER_BUDGET


def budget_of(run: AnalysisRun) -> Decimal | None:
    """In US dollars."""
    budget = run.options.get("budget_usd")
    return None if budget is None else Decimal(budget)


def may_call(run: AnalysisRun, *, probing: bool) -> bool:
    """Whether the run may call its model now; a probe may while the provider's absence holds the run."""
    return run.status == "running" or (probing and run.paused_reason == "provider_unavailable")


async def read_question(session: AsyncSession, ref: contract.BatchRef, *, probing: bool) -> Question | None:
    """The batch's question; None unless the run may call. Conflict when its provider is gone."""
    run = await runs.get(session, ref.run_id)
    if not may_call(run, probing=probing):
        return None
    batch = await batches.get(session, ref.run_id, ref.batch_no)
    provider = await configuration.provider(session, run.config_snapshot["provider"]["id"])
    if provider is None:
        raise Conflict("provider_gone", "The run's provider does not exist any more.")
    messages = await batches.messages(session, batch.message_ids)
    gap, version = int(run.options["time_gap_seconds"]), run.config_snapshot["prompt_version"]
    context = await _context(session, batch, messages, gap) if shows_context(version) else []
    prompt = render(
        messages,
        context=context,
        system_prompt=run.config_snapshot["agent"]["system_prompt"],
        project=ProjectBrief.of(run.config_snapshot),
        time_gap_seconds=gap,
        version=version,
    )
    name = fingerprint(
        messages, context=context, snapshot=run.config_snapshot, output_schema=_OUTPUT_SCHEMA, layout=gap
    )
    settled = batch.status not in ("waiting", "running")
    return Question(run, batch, provider, messages, prompt, name, settled=settled, answered=settled)


async def _context(
    session: AsyncSession, batch: AnalysisBatch, messages: list[ChatMessage], gap: int
) -> list[ChatMessage]:
    """How the conversation of the batch began, where that is in the batch before."""
    return leading(
        await batches.messages(session, await batches.before(session, batch)), messages, time_gap_seconds=gap
    )
