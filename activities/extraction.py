"""One attempt at one batch: find the answer that was paid for before, or ask the model, store the answer, count it."""

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Literal, TypeVar
from uuid import UUID

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from activities.asking import PLACE_POLL_SECONDS, Asking, Counting
from activities.attempts import beating, step
from activities.findings import Answered, stored
from activities.judging import Judging
from activities.places import Places
from activities.questions import Question, may_call, read_question
from activities.resources import Resources
from activities.saving import Saver
from activities.spending import BudgetSpentError
from activities.together import Together
from analysis.answers import AnswerInvalidError
from analysis.proposals import parse_answer
from analysis.verdicts import PROVIDER_WIDE, judge
from db import answers, batches, runs
from errors import ModelFailure
from llm.errors import CUT_OFF
from logs import logger
from models.base import new_id, now
from workflows import contract

Result = TypeVar("Result")

_log = logger("gleaner.worker")


class ExtractionActivities:
    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._database = resources.database
        self._retention = timedelta(days=resources.settings.answer_retention_days)
        self._silence = timedelta(seconds=resources.settings.provider_silence_seconds)
        self._counting: Counting = Together(self._count)
        self._places = Places(resources.database)
        self._saver = Saver(resources)
        self._judging = Judging(resources, self._counting, self._places)

    @activity.defn(name="extract_proposals")
    @step
    async def extract_proposals(self, ref: contract.BatchRef) -> contract.Extracted:
        """See `contract.Extracted`; where another attempt may help, a retryable error."""
        return await _outliving_the_server(self._attempt_and_save(ref))

    @activity.defn(name="extract_group")
    @step
    async def extract_group(self, group: contract.BatchGroup) -> contract.GroupExtracted:
        """One batch after another, as far as nothing stands in the way: see `contract.GroupExtracted`."""
        return await _outliving_the_server(self._one_by_one(group))

    @activity.defn(name="probe_provider")
    @step
    async def probe_provider(self, ref: contract.RunRef) -> contract.Probed:
        """Ask the provider that was down for the run's next batch: whatever says something about the batch alone, or an
        answer, means that it is up. A run that isn't held by its provider any more is let go on."""
        async with self._database.transaction() as session:
            waiting = await batches.unsettled(session, ref.run_id)
        if not waiting:
            return contract.Probed(up=True)
        batch = contract.BatchRef(run_id=ref.run_id, batch_no=waiting[0])
        extracted, _ = await _outliving_the_server(self._attempt(batch, probing=True))
        up = extracted.outcome != "provider_down"
        async with runs.locked(self._database, ref.run_id) as held:
            if held.run.paused_reason == "provider_unavailable":
                code = None if extracted.error is None else extracted.error.code
                await held.record("provider_probed", {"run_id": str(ref.run_id), "up": up, "code": code})
        return contract.Probed(up=up)

    async def _count(self, run_id: UUID, spent: Sequence[answers.Spent]) -> Sequence[None]:
        async with self._database.connection() as connection:
            await answers.count(connection, run_id, spent)
        return [None] * len(spent)

    async def _attempt_and_save(self, ref: contract.BatchRef) -> contract.Extracted:
        """One attempt, and its answer saved at once."""
        extracted, answered = await self._attempt(ref)
        if extracted.outcome == "answered":
            extracted.settled = await self._save(ref, answered)
        return extracted

    async def _one_by_one(self, group: contract.BatchGroup) -> contract.GroupExtracted:
        """The answer to one is saved while the next is asked about."""
        came, answered_nos = contract.GroupExtracted(left=list(group.batch_nos)), set[int]()

        async def save(ref: contract.BatchRef, answered: Answered | None) -> None:
            settled = await self._save(ref, answered)
            if settled is not None:
                came.left.remove(ref.batch_no)
                came.settled = settled

        async with asyncio.TaskGroup() as saving:
            for batch_no in group.batch_nos:
                if _is_to_end() or (came.settled is not None and came.settled.concurrency < group.concurrency):
                    break
                ref = contract.BatchRef(run_id=group.run_id, batch_no=batch_no)
                try:
                    extracted, answered = await self._attempt(ref)
                except Exception as error:
                    came.at = batch_no
                    if isinstance(error, ApplicationError) and error.non_retryable:
                        came.failure = str(error)
                    break
                if extracted.outcome != "answered":
                    came.at, came.stopped = batch_no, extracted
                    break
                answered_nos.add(batch_no)
                saving.create_task(save(ref, answered))
        if came.at is None:
            # What could not be saved here is left to the step that is tried again until it is done.
            came.at = next((batch_no for batch_no in came.left if batch_no in answered_nos), None)
        return came

    async def _save(self, ref: contract.BatchRef, answered: Answered | None) -> contract.BatchSettled | None:
        """Save the answer that an attempt has in hand, or the stored one. What goes wrong with that is left to the step
        that saves alone and is tried again until it is done: the answer is paid for and stored."""
        try:
            if answered is None:
                answered = await stored(self._database, ref)
                _tell_generated(ref, len(answered.drafts))
            if answered.wants_verdicts and answered.drafts:
                answered = replace(answered, judged=await self._judging.judged(ref, answered))
            return await self._saver.save(ref, answered)
        except Exception as error:
            _log.warning("An answer waits to be saved", batch_no=ref.batch_no, error=type(error).__name__)
            return None

    async def _attempt(
        self, ref: contract.BatchRef, *, probing: bool = False
    ) -> tuple[contract.Extracted, Answered | None]:
        """What came of it, with the answer where this attempt has it in hand."""
        asking = Asking(self._resources, ref, self._counting, self._places, holder=new_id(), probing=probing)
        question = None
        try:
            question = await self._place(ref, asking)
            if question is None:
                return contract.Extracted(outcome="not_called"), None
            if not question.settled:
                _tell_processing(question)
            if question.over:
                return contract.Extracted(outcome="answered"), None
            async with asking.renewing():
                drafts = await asking.ask(question)
        except BudgetSpentError as spent:
            return _budget_spent(str(spent)), None
        except ModelFailure as failure:
            return await self._failed(failure, ref, asking, question), None
        finally:
            await asking.release()
        if drafts is None:
            return contract.Extracted(outcome="not_called"), None
        _tell_generated(ref, len(drafts))
        return contract.Extracted(outcome="answered"), Answered.of(question, drafts)

    async def _failed(
        self, failure: ModelFailure, ref: contract.BatchRef, asking: Asking, question: Question | None
    ) -> contract.Extracted:
        _tell_failed(ref, failure)
        if failure.kind == "context_too_long" and question is not None and len(question.batch.message_ids) > 1:
            return contract.Extracted(outcome="too_long")
        if asking.shortened and failure.detail.startswith(CUT_OFF):
            return _budget_spent("What is left doesn't pay for an answer of full length.")
        if asking.probing:
            return _probed(failure)
        return await self._after(failure, ref, asking)

    async def _place(self, ref: contract.BatchRef, asking: Asking) -> Question | None:
        """The question, once this attempt may ask it or finds its answer; None when the run isn't running."""
        while True:
            async with self._database.connection() as connection:
                question = await read_question(connection, ref, probing=asking.probing)
            if question is None or question.settled:
                return question
            # At a provider that may be busy an answer that is known needs no place.
            known = question.limits.concurrency is not None and await self._known(question)
            if known or await asking.claim(question):
                opened = await self._open(question, asking)
                if not known or opened is None or opened.over:
                    return opened
            await asyncio.sleep(PLACE_POLL_SECONDS)

    async def _open(self, question: Question, asking: Asking) -> Question | None:
        """Show the attempt on its batch, and see whether its answer is stored and fits the present parser: then it is
        the batch's. Only who has the place looks, for another attempt may have stored it until then."""
        ref, name = question.ref, question.fingerprint
        async with self._database.connection() as connection:
            opened = await answers.open_attempt(
                connection,
                ref.run_id,
                ref.batch_no,
                name,
                provider_id=question.provider.id,
                since=self._oldest(question),
            )
            question.attempt = opened.number
            question.settled = not opened.number  # meanwhile
            question.answered = opened.stored is not None and _still_valid(opened.stored.raw_answer, question)
            if opened.stored is not None and question.answered:
                await answers.count_cache_hit(connection, ref.run_id, ref.batch_no, opened.stored.model)
        if question.over:
            return question
        if not may_call(opened.status, opened.paused_reason, probing=asking.probing):
            return None
        asking.found(opened, question)
        return question

    async def _known(self, question: Question) -> bool:
        async with self._database.connection() as connection:
            stored = await answers.reusable(
                connection, question.fingerprint, question.ref.run_id, since=self._oldest(question)
            )
        return stored is not None and _still_valid(stored.raw_answer, question)

    def _oldest(self, question: Question) -> datetime | None:
        """From when on an answer of another run may be used."""
        return now() - self._retention if question.use_cache else None

    async def _after(self, failure: ModelFailure, ref: contract.BatchRef, asking: Asking) -> contract.Extracted:
        """Judge a failed call by all that the run's calls say of the provider."""
        async with self._database.transaction() as session:
            health = await answers.health(session, ref.run_id, ref.batch_no, PROVIDER_WIDE, asking.working_since)
        match judge(failure.kind, health, now(), silence=self._silence):
            case "hopeless":
                return contract.Extracted(outcome="hopeless", error=_error(failure))
            case "provider_down":
                return contract.Extracted(outcome="provider_down", error=_error(failure))
            case "batch_fails":
                raise ApplicationError(failure.rule.hint, type=failure.code, non_retryable=True)
            case "try_again":
                raise ApplicationError(failure.rule.hint, type=failure.code, category=ApplicationErrorCategory.BENIGN)


async def _outliving_the_server(attempt: Coroutine[None, None, Result]) -> Result:
    """What the attempt comes to. The server may give up on it while its call is under way and paid for. Then the call
    goes on, and the next attempt waits for its answer; only a cancelled run or a stopping worker ends it."""
    async with beating():
        task = asyncio.create_task(attempt)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if not _given_up_by_server():
                task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            raise


def _error(failure: ModelFailure) -> contract.ErrorInfo:
    """What the provider said stays in the row of the call; the history gets the kind and the hint."""
    return contract.ErrorInfo(code=failure.code, message="", hint=failure.rule.hint)


def _probed(failure: ModelFailure) -> contract.Extracted:
    outcome: Literal["provider_down", "not_called"] = "provider_down" if failure.rule.provider_wide else "not_called"
    return contract.Extracted(outcome=outcome, error=_error(failure))


def _budget_spent(message: str) -> contract.Extracted:
    hint = "Raise budget_usd by PATCH …/limits or the signal set_limits: the run then goes on by itself."
    return contract.Extracted(
        outcome="budget", error=contract.ErrorInfo(code="budget_spent", message=message, hint=hint)
    )


def _tell_failed(ref: contract.BatchRef, failure: ModelFailure) -> None:
    _log.warning("The model call failed", run_id=str(ref.run_id), batch_no=ref.batch_no, kind=failure.kind)


def _is_to_end() -> bool:
    """Whether what is under way is to be the last: the attempt is lost or its worker stops."""
    return activity.is_cancelled() or activity.is_worker_shutdown()


def _given_up_by_server() -> bool:
    """Whether only this attempt lost its place: the server timed it out, nobody wants it cancelled."""
    details = activity.cancellation_details()
    return (
        details is not None
        and (details.timed_out or details.not_found)
        and not (details.cancel_requested or details.worker_shutdown)
    )


def _still_valid(raw_answer: str, question: Question) -> bool:
    """Whether the stored answer fits the present parser."""
    try:
        parse_answer(raw_answer, question.prompt.refs, question.messages)
    except AnswerInvalidError:
        return False
    return True


def _tell_processing(question: Question) -> None:
    _log.info(
        f"Processing batch {question.ref.batch_no}/{question.batch.batches_created}"
        f" ({len(question.batch.message_ids)} messages)",
        run_id=str(question.ref.run_id),
        batch_no=question.ref.batch_no,
    )


def _tell_generated(ref: contract.BatchRef, count: int) -> None:
    _log.info(f"Generated {count} proposals from batch", run_id=str(ref.run_id), batch_no=ref.batch_no)
