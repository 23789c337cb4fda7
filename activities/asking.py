"""Asking the model: one call with its place at the provider, its pace, its storage and its count."""

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from decimal import Decimal
from math import inf
from typing import Literal, TypeAlias, TypeVar
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from activities import patience, spending
from activities.connections import connection_of
from activities.places import Places
from activities.questions import Question, budget_of, may_call
from activities.resources import Resources
from activities.spending import BudgetSpentError, Request
from activities.together import Together
from analysis.estimates import TYPICAL_ANSWER_TOKENS
from analysis.proposals import ProposalDraft
from analysis.same_work import Pair, PairsPrompt
from db import answers, budgets, limiter, runs
from db.configuration import own_price
from db.engine import is_outage
from errors import FailureKind, ModelFailure
from llm.asking import ask
from llm.calls import BeforeRequest, CallRecord, ModelCall
from llm.extraction import ExtractionCall
from llm.providers import ProviderConnection
from llm.same_work import same_work
from models.agent import LLMProvider
from models.base import new_id, now
from models.run import AnalysisRun
from workflows import contract

Result = TypeVar("Result")

MONEY_POLL_SECONDS = 0.3
PLACE_POLL_SECONDS = 0.5
FRESH_SECONDS = 1.0
"""How long a look at the run and at the limiter holds for the request after it."""
PAUSE_WITHOUT_RETRY_AFTER = (2.0, 5.0, 10.0, 20.0, 40.0, 60.0)
"""Seconds for which a 429 that names no time closes the limiter, longer each time in a row."""
SHORTEST_RETRY_AFTER = 0.1
"""A time that a 429 names is none where it is shorter: requests would follow each other as fast as they can."""

Counting: TypeAlias = Together[UUID, answers.Spent, None]
"""What attempts of one run have spent is counted together."""


class _RunHeldError(Exception):
    """The run stopped running while this attempt waited for its turn."""


class Asking:
    """One attempt's dealings with the provider. Every request of it is counted, failed ones too."""

    def __init__(
        self,
        resources: Resources,
        ref: contract.BatchRef,
        counting: Counting,
        places: Places,
        *,
        holder: UUID,
        probing: bool = False,
    ) -> None:
        self._counting = counting
        self._places = places
        self._database = resources.database
        self._resources = resources
        self._ref = ref
        self.holder = holder
        self.probing = probing
        self._tokens_taken = 0
        self._seen_free_at = -inf
        self._placed = False
        self.shortened = False
        """Whether the budget left less room for an answer than it may take."""
        self.working_since: datetime = now()

    async def ask(self, question: Question) -> list[ProposalDraft] | None:
        """The proposals of the batch, as `get` gives them."""

        def about(connection: ProviderConnection) -> ModelCall[list[ProposalDraft]]:
            return ExtractionCall(
                connection=connection,
                model_name=question.agent["model_name"],
                prompt=question.prompt,
                messages=question.messages,
                temperature=question.agent["temperature"],
                max_tokens=question.max_tokens,
                price=own_price(question.provider),
            ).asked()

        return await self.get(question, about)

    async def ask_about(self, question: Question, pairs: PairsPrompt) -> Mapping[Pair, bool] | None:
        """Which of the pairs are the same work, as `get` gives it. `question` is that of their batch, with the
        fingerprint of this one."""

        def about(connection: ProviderConnection) -> ModelCall[Mapping[Pair, bool]]:
            return same_work(
                connection,
                question.agent["model_name"],
                pairs,
                temperature=question.agent["temperature"],
                max_tokens=question.max_tokens,
                price=own_price(question.provider),
            )

        return await self.get(question, about)

    async def get(self, question: Question, about: Callable[[ProviderConnection], ModelCall[Result]]) -> Result | None:
        """Get an answer and store it; returns what it says, or None when the run isn't running.

        A 429 closes the provider's limiter and the attempt waits: it loses nothing; a probe has learnt enough.
        Any other failure: ModelFailure. BudgetSpentError before a request that the run's budget doesn't pay for.
        """
        self.working_since = question.batch.working_since
        refused = 0
        while True:
            record, self._tokens_taken = CallRecord(), 0
            try:
                call = about(await connection_of(question.provider, self._resources))
                found = await ask(call, before_request=self._turn(question, record), record=record)
            except _RunHeldError:
                await self._count(question, record, "not_called")
                return None
            except BudgetSpentError:
                await self._count(question, record, "not_called")
                raise
            except ModelFailure as failure:
                await self._keep_failure(question, record, failure)
                if failure.kind == "rate_limited":
                    await self._close_limiter(question.provider, failure.retry_after, refused)
                if failure.kind != "rate_limited" or self.probing:
                    raise
                refused += 1
            except Exception:
                # The next attempt begins anew: what was set aside for a request that isn't made is nobody's.
                await patience.seen_through(self._count(question, record, "not_called"))
                raise
            except asyncio.CancelledError:
                await patience.briefly(asyncio.create_task(self._count(question, record, "cancelled")))
                raise
            else:
                await self._keep_answer(question, record)
                return found

    def _turn(self, question: Question, record: CallRecord) -> BeforeRequest:
        """Before each HTTP request set money aside and wait for the limiter; give up when the run is held meanwhile."""

        async def wait(count_input: Callable[[], int]) -> int | None:
            if self._way_is_free():
                return None
            input_tokens = count_input()
            bound = await self._set_money_aside(question, record, input_tokens)
            while True:
                async with self._database.transaction() as session:
                    await self._running(session)
                    tokens = input_tokens + TYPICAL_ANSWER_TOKENS
                    seconds = await limiter.take(
                        session, question.provider.id, self._ref.run_id, question.limits, tokens
                    )
                if seconds <= 0:
                    self._tokens_taken += tokens
                    return bound
                await asyncio.sleep(min(seconds, limiter.LONGEST_WAIT_SECONDS))

        return wait

    async def claim(self, question: Question) -> bool:
        """Take the batch's place at the provider; False while another attempt has it, or the provider is busy."""
        self._placed = True  # also where the answer to that is lost
        ref, provider_id, limits = self._ref, question.provider.id, question.limits
        if limits.concurrency is None:
            async with self._database.connection() as connection:
                self._placed = await limiter.claim_unlimited(
                    connection, ref.run_id, ref.batch_no, provider_id=provider_id, holder=self.holder
                )
        else:
            async with self._database.transaction() as session:
                self._placed = await limiter.claim(
                    session, ref.run_id, ref.batch_no, provider_id=provider_id, holder=self.holder, limits=limits
                )
        return self._placed

    def found(self, opened: answers.Opened, question: Question) -> None:
        """Remember that the run was running and the limiter open, which needs no second look at once after."""
        if question.budget is None and not question.limits.rated and opened.closed_seconds <= 0:
            self._seen_free_at = time.monotonic()

    def _way_is_free(self) -> bool:
        """Whether that was just now, and is asked for the first time."""
        seen, self._seen_free_at = self._seen_free_at, -inf
        return time.monotonic() - seen < FRESH_SECONDS

    async def _running(self, session: AsyncSession) -> AnalysisRun:
        run = await runs.get(session, self._ref.run_id)
        if not may_call(run.status, run.paused_reason, probing=self.probing):
            raise _RunHeldError
        return run

    async def _set_money_aside(self, question: Question, record: CallRecord, input_tokens: int) -> int | None:
        """Reserve what the request may cost; returns the bound of its answer, None for a run without a budget.

        Where the whole amount isn't there, calls under way are waited for, which mostly use less than was set aside.
        With none under way the answer gets what is left, as long as that is worth a call; else BudgetSpentError.
        """
        if question.budget is None:
            return None
        request = Request(question, self._attempt(question), input_tokens, record.cost_usd or Decimal(0))
        while True:
            async with self._database.transaction() as session:
                budget = budget_of((await self._running(session)).options) or question.budget
                bound = await spending.reserve(session, request, budget)
            if bound is not None:
                self.shortened = bound < request.wanted
                return bound
            await asyncio.sleep(MONEY_POLL_SECONDS)

    def _attempt(self, question: Question) -> budgets.Attempt:
        return budgets.Attempt(self._ref.run_id, self._ref.batch_no, question.attempt)

    async def _close_limiter(self, provider: LLMProvider, retry_after: float | None, refused: int) -> None:
        seconds = retry_after or 0.0
        if seconds < SHORTEST_RETRY_AFTER:
            seconds = PAUSE_WITHOUT_RETRY_AFTER[min(refused, len(PAUSE_WITHOUT_RETRY_AFTER) - 1)]
        async with self._database.transaction() as session:
            await limiter.close(session, provider.id, seconds)

    async def _keep_answer(self, question: Question, record: CallRecord) -> None:
        await patience.seen_through(self._store(question, record, "answered", None))

    async def _keep_failure(self, question: Question, record: CallRecord, failure: ModelFailure) -> None:
        """Count a failed call; an answer that doesn't validate is kept too, for a parser that may read it one day."""
        await patience.seen_through(self._store(question, record, failure.kind, failure.detail))

    async def _count(self, question: Question, record: CallRecord, outcome: Literal["cancelled", "not_called"]) -> None:
        if record.requests:
            await self._store(question, record, outcome, None)
        elif question.budget is not None:
            await patience.until_stored(lambda: self._give_back(question))

    async def _give_back(self, question: Question) -> None:
        """Set aside no longer what was for a request that was never made."""
        async with self._database.transaction() as session:
            await budgets.settle(session, self._attempt(question), "known")

    async def _store(
        self,
        question: Question,
        record: CallRecord,
        outcome: FailureKind | Literal["answered", "cancelled", "not_called"],
        detail: str | None,
    ) -> None:
        """Write the answer and the count in one transaction, trying again for ten minutes while the database is away:
        the answer is paid for."""
        spent = self._spent(question, record, outcome, detail)

        async def write() -> None:
            if question.budget is None and question.limits.tokens_per_minute is None:
                await self._counting.do(self._ref.run_id, spent)
                return
            async with self._database.transaction() as session:
                # The limiter before the place, as where a place is taken.
                if not record.under_way:
                    used = record.input_tokens + record.output_tokens
                    await limiter.settle(
                        session, question.provider.id, question.limits, estimated=self._tokens_taken, used=used
                    )
                await answers.count(session, self._ref.run_id, [spent])
                if question.budget is not None:
                    await budgets.settle(session, self._attempt(question), "unknown" if record.under_way else "known")

        await patience.until_stored(write)
        self._placed = self._placed and spent.holder is None

    def _spent(self, question: Question, record: CallRecord, outcome: str, detail: str | None) -> answers.Spent:
        """What is written: with an answer goes the place at the provider, so that who waits for it finds the answer."""
        kept = record.raw_answer is not None and outcome in ("answered", "bad_answer")
        return answers.Spent(
            new_id(),
            self._ref.batch_no,
            record.model or question.agent["model_name"],
            outcome,
            detail,
            answers.Usage(
                record.requests, record.input_tokens, record.output_tokens, record.cost_usd, record.latency_ms
            ),
            question.fingerprint if kept else None,
            record.raw_answer if kept else None,
            self.holder if outcome == "answered" else None,
        )

    def renewing(self) -> AbstractAsyncContextManager[None]:
        """Keep the place while the block runs."""
        return self._places.kept(self.holder)

    async def release(self) -> None:
        """Give the place back, if there is one; where the database is away it expires by itself."""
        if not self._placed:
            return
        try:
            async with self._database.connection() as connection:
                await limiter.release(connection, self.holder)
        except Exception as error:
            if not is_outage(error):
                raise
