"""The life of an analysis run, from start to close."""

import asyncio
from collections import deque
from collections.abc import Awaitable
from datetime import datetime, timedelta
from math import ceil
from typing import TypeVar

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, FailureError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from workflows import contract, steps
    from workflows.display import Display
    from workflows.failures import describe
    from workflows.inbox import Inbox, Ticket, answer

T = TypeVar("T")

_LONGEST_PROBE_INTERVAL = timedelta(minutes=15)
_LARGEST_GROUP = 8
_EVENTS_OF_A_GROUP = 6
"""Of the history, at most: three of the activity and three of the workflow task that its end brings about."""


def pause_before_probe(first_seconds: float, probes: int) -> timedelta:
    """How long to wait for the next probe of a provider that is down, twice as long after each, up to a quarter of an
    hour. It may be down for days, so no power of two is beyond what a timedelta holds."""
    return min(timedelta(seconds=first_seconds * 2 ** min(probes, 30)), _LONGEST_PROBE_INTERVAL)


@workflow.defn(name=contract.WORKFLOW_TYPE)
class AnalysisRun:
    """One execution in the life of a run. The row holds the truth; this holds what is under way."""

    @workflow.init
    def __init__(self, start: contract.RunInput) -> None:
        self._run = contract.RunRef(run_id=start.run_id)
        self._state = contract.RunState(phase="analysis", status="pending", stage="queued")
        self._display = Display()
        self._inbox = Inbox()
        self._total = 0
        self._percent = 0
        self._next_probe: datetime | None = None
        self._waiting: deque[int] = deque()
        self._in_flight: dict[int, asyncio.Task[None]] = {}
        self._calls = 0
        self._alone: set[int] = set()
        self._step_under_way = False
        self._out_of_step = False
        self._hopeless: contract.ErrorInfo | None = None
        self._crash: BaseException | None = None
        self._cancel_heeded = False
        self._tried_to_close: datetime | None = None

    @workflow.run
    async def run(self, start: contract.RunInput) -> None:
        """Live until the run is closed, failed or cancelled, or a new execution carries on."""
        try:
            await self._live()
        except FailureError:
            raise
        except Exception as error:
            raise ApplicationError(f"Unexpected {type(error).__name__}", type="unexpected") from error

    async def _live(self) -> None:
        obeying: asyncio.Task[None] | None = None
        begun = False
        while True:
            try:
                if not begun:
                    self._take(await steps.begin_run(self._opening()))
                    begun = True
                    obeying = asyncio.create_task(self._inbox.obey(self._carry_out))
                    self._heed_cancel()
                elif self._state.phase == "analysis":
                    await self._analyse()
                elif self._state.phase == "review":
                    await self._await_review()
                else:
                    # A retry that came while the run was failing makes it go on.
                    await self._inbox.empty()
                    if self._state.phase == "over":
                        break
            except (asyncio.CancelledError, ActivityError) as error:
                if is_cancelled_exception(error):
                    self._cancel_heeded = True
                    await self._end_cancelled()
                    if self._state.status == "cancelled":
                        raise asyncio.CancelledError from None
                    if workflow.patched("refused-cancel"):
                        # Temporal takes one cancel an execution, and a run that is retried may be cancelled again.
                        await self._continue_as_new()
                else:
                    await self._end_failed(describe(error))
            except Exception as error:
                # Left alone it would retry the workflow task for ever (sdk-python#432), and the row would say running.
                await self._end_failed(describe(error))
        if obeying is not None:
            obeying.cancel()
        if self._state.status == "failed":
            why = self._state.error or contract.ErrorInfo(code="failed", message="The run failed.")
            raise ApplicationError(why.message, type=why.code, non_retryable=True)

    def _opening(self) -> contract.BeginRun:
        """How this execution begins: a retry that opened it is part of its beginning, not a command."""
        return contract.BeginRun(run_id=self._run.run_id, retry=self._inbox.take_opening_retry())

    # --- the analysis ---

    async def _analyse(self) -> None:
        self._hopeless = self._crash = None
        await self._prepare()
        await self._extract_batches()
        if self._hopeless is not None:
            await self._end_failed(self._hopeless)
            return
        self._take(await steps.finish_run(contract.FinishRun(run_id=self._run.run_id, outcome="ended")))
        self._heed_cancel()
        if self._state.phase == "review":
            # What waits days for a person begins with an empty history.
            await self._continue_as_new()

    async def _prepare(self) -> None:
        """Fetch, prefilter and batch. Each step finds out by itself what is already done."""
        for step in (steps.fetch_messages, steps.prefilter_messages):
            await self._released()
            await self._step(step(self._run))
        await self._released()
        batches = await self._step(steps.create_batches(self._run))
        self._total, self._percent = batches.total, 0
        self._waiting = deque(no for first, last in batches.unsettled for no in range(first, last + 1))
        self._out_of_step = False

    async def _step(self, step: Awaitable[T]) -> T:
        self._step_under_way = True
        try:
            return await step
        finally:
            self._step_under_way = False
            self._heed_cancel()

    async def _extract_batches(self) -> None:
        """Keep up to `concurrency` batches under way until none waits, or there is no use."""
        while True:
            await workflow.wait_condition(lambda: self._may_dispatch() or not self._in_flight)
            while self._may_dispatch():
                self._dispatch(self._next_group())
            if self._in_flight:
                continue
            self._heed_cancel()
            if self._crash is not None:
                raise self._crash
            if self._hopeless is not None:
                return
            if self._held():
                await self._released()
            elif self._out_of_step:
                self._take(await steps.begin_run(contract.BeginRun(run_id=self._run.run_id)))
                if self._state.phase != "analysis":
                    return
                await self._prepare()
            elif not self._waiting:
                return
            elif self._history_is_long():
                await self._continue_as_new()

    def _held(self) -> bool:
        """Whether nothing new may start: the run is paused, or a command is about to change something."""
        return self._state.status != "running" or bool(self._inbox)

    def _may_dispatch(self) -> bool:
        return (
            bool(self._waiting)
            and self._calls < self._state.concurrency
            and not self._held()
            and not self._out_of_step
            and self._hopeless is None
            and self._crash is None
            and not self._history_is_long()
        )

    def _next_group(self) -> list[int]:
        """What one activity gets: a batch, or several of a large run, the fewer the nearer to its end, or to that of
        the execution: it waits for the last of them."""
        most = 1
        if self._state.group_from is not None and self._total >= self._state.group_from:
            share = len(self._waiting) / self._state.concurrency
            most = min(_LARGEST_GROUP, ceil(share) if self._state.rounds_up else int(share))
            if self._state.history_limit is not None:
                room = self._state.history_limit - workflow.info().get_current_history_length()
                most = min(most, 2 ** (room // (_EVENTS_OF_A_GROUP * self._state.concurrency)))
        group = [self._waiting.popleft()]
        while len(group) < most and self._alone.isdisjoint((group[0], self._waiting[0])):
            group.append(self._waiting.popleft())
        return group

    def _dispatch(self, group: list[int]) -> None:
        self._calls += 1
        self._in_flight |= dict.fromkeys(group, asyncio.create_task(self._settle(group)))

    async def _settle(self, group: list[int]) -> None:
        """Batches from the question to the saved proposals, or to their recorded failure."""
        mine = asyncio.current_task()
        try:
            if len(group) == 1:
                await self._ask_and_save(self._batch(group[0]))
            else:
                await self._ask_one_by_one(group)
        except BaseException as error:
            if not is_cancelled_exception(error):
                self._crash = error
        finally:
            self._calls -= 1
            self._let_go(group, mine)

    def _let_go(self, batch_nos: list[int], task: asyncio.Task[None] | None) -> None:
        """The task has no more to do with these; those that wait again may be another's by now. Where the workflow is
        thrown away no loop runs that could say which task it is."""
        for batch_no in batch_nos:
            if self._in_flight.get(batch_no) is task:
                del self._in_flight[batch_no]

    async def _ask_one_by_one(self, group: list[int]) -> None:
        """What goes through is settled; what stood in the way of one is seen to here, and the others wait again."""
        asked = contract.BatchGroup(run_id=self._run.run_id, batch_nos=group, concurrency=self._state.concurrency)
        try:
            came = await steps.extract_group(asked, self._total)
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            came = contract.GroupExtracted(left=group, at=group[0])
        if came.settled is not None:
            self._note(came.settled)
        seen_to = came.at if came.stopped is not None or came.failure is not None else None
        if seen_to is None and came.at is not None:
            self._alone.add(came.at)
        waiting = [batch_no for batch_no in came.left if batch_no != seen_to]
        self._waiting.extendleft(reversed(waiting))
        self._let_go([batch_no for batch_no in group if batch_no != seen_to], asyncio.current_task())
        if seen_to is None:
            return
        if came.stopped is not None:
            await self._ask_and_save(self._batch(seen_to), came.stopped)
        else:
            await self._fail(self._batch(seen_to), came.failure or "")

    async def _ask_and_save(self, batch: contract.BatchRef, came: contract.Extracted | None = None) -> None:
        """`came` is what came of asking, where that was done."""
        try:
            extracted = came or await steps.extract_proposals(batch, self._total)
            if extracted.outcome == "too_long":
                self._replace(await steps.split_batch(batch, self._total))
                return
            if extracted.outcome != "answered":
                self._put_back(batch.batch_no, extracted)
                return
            # Saved with the answer, which costs no second activity. What stood in the way of that is waited out here.
            self._note(extracted.settled or await steps.save_proposals(batch, self._total))
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            await self._fail(batch, describe(error).message)

    async def _fail(self, batch: contract.BatchRef, why: str) -> None:
        failure = contract.BatchFailure(run_id=batch.run_id, batch_no=batch.batch_no, error=why)
        self._note(await steps.fail_batch(failure, self._total))

    def _note(self, settled: contract.BatchSettled) -> None:
        self._state.proposals_pending = settled.proposals_pending
        self._state.batches_failed = settled.batches_failed

    def _batch(self, batch_no: int) -> contract.BatchRef:
        return contract.BatchRef(run_id=self._run.run_id, batch_no=batch_no)

    def _replace(self, split: contract.BatchSplit) -> None:
        """Wait with the parts of a batch that was too long, without the per cent falling for it."""
        self._percent = self._progress_percent()
        self._total = split.total
        self._waiting.extendleft(reversed(split.into))

    def _put_back(self, batch_no: int, extracted: contract.Extracted) -> None:
        """Nobody settled the batch: it waits again, and what stood in its way is seen to."""
        self._waiting.appendleft(batch_no)
        if extracted.outcome == "hopeless":
            self._hopeless = extracted.error
        elif extracted.outcome == "provider_down" and not self._held():
            self._put_command("pause", reason="provider_unavailable", error=extracted.error)
        elif extracted.outcome == "budget" and not self._held():
            self._put_command("pause", reason="budget", error=extracted.error)
        elif not self._held():
            self._out_of_step = True

    # --- review and the end ---

    async def _await_review(self) -> None:
        """Wait for the close, which comes by itself where the run's options say so."""
        closes_at = self._state.closes_at
        due = closes_at if closes_at != self._tried_to_close else None
        try:
            await workflow.wait_condition(
                lambda: self._state.phase != "review" or self._state.closes_at != closes_at or self._history_is_long(),
                timeout=None if due is None else max(due - workflow.now(), timedelta(0)),
                timeout_summary="Waiting for the review" if due is None else "Until the run closes by itself",
            )
        except TimeoutError:
            self._tried_to_close = closes_at
            closing = self._put_command("close")
            await workflow.wait_condition(lambda: closing.done)
        if self._state.phase == "review" and self._history_is_long():
            await self._continue_as_new()

    async def _end_failed(self, error: contract.ErrorInfo) -> None:
        finish = contract.FinishRun(run_id=self._run.run_id, outcome="failed", error=error)
        await self._drop_in_flight()
        self._take(await steps.finish_run(finish))

    async def _end_cancelled(self) -> None:
        """Give up what is under way and let the row decide whether the run may be cancelled at all."""
        await self._drop_in_flight()
        self._take(await steps.finish_run(contract.FinishRun(run_id=self._run.run_id, outcome="cancelled")))

    def _heed_cancel(self) -> None:
        """Be cancelled by a wish that came during a step: a step that can't be given up swallows it. What a worker
        throws away when it stops runs nowhere any more, and ends here, too."""
        if workflow.in_workflow() and workflow.cancellation_reason() is not None and not self._cancel_heeded:
            raise asyncio.CancelledError

    async def _drop_in_flight(self) -> None:
        under_way = list(self._in_flight.values())
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)

    def _history_is_long(self) -> bool:
        info = workflow.info()
        limit = self._state.history_limit
        return info.is_continue_as_new_suggested() or (limit is not None and info.get_current_history_length() >= limit)

    async def _continue_as_new(self) -> None:
        await self._inbox.empty()
        if self._state.phase != "over" and not self._in_flight:
            workflow.continue_as_new(contract.RunInput(run_id=self._run.run_id))

    # --- commands: signals and updates, one after another ---

    async def _carry_out(self, ticket: Ticket) -> None:
        if ticket.command is None:
            self._take(await steps.read_state(self._run))
            ticket.failure = "looked again"
            return
        command = ticket.command.model_copy(update={"in_flight": self._calls + self._step_under_way})
        outcome = await steps.apply_command(command)
        self._take(outcome.state)
        ticket.outcome = outcome

    def _put_command(
        self,
        name: contract.CommandName,
        *,
        reason: contract.PausedReason = "requested",
        error: contract.ErrorInfo | None = None,
        limits: contract.LimitsChange | None = None,
    ) -> Ticket:
        changes = limits or contract.LimitsChange()
        command = contract.RunCommand(
            run_id=self._run.run_id,
            name=name,
            reason=reason,
            error=error,
            budget_usd=changes.budget_usd,
            concurrency=changes.concurrency,
        )
        return self._inbox.put(command)

    async def _released(self) -> None:
        """Wait while the run is paused; tell the row once nothing is under way, and probe a provider that is down."""
        probes = 0
        while self._held():
            if self._draining():
                self._take(await steps.note_drained(self._run))
                self._heed_cancel()
            if self._history_is_long() and not self._in_flight:
                await self._continue_as_new()
            if not self._provider_down():
                await workflow.wait_condition(lambda: not self._held() or self._draining() or self._provider_down())
            elif await self._probe_is_due(probes):
                probes += 1
                await self._probe()

    def _draining(self) -> bool:
        """Whether the row is still to be told that nothing is under way any more."""
        return self._state.status == "paused" and self._state.stage == "draining" and not self._inbox

    def _provider_down(self) -> bool:
        return self._state.paused_reason == "provider_unavailable" and not self._inbox

    async def _probe_is_due(self, probes: int) -> bool:
        """Wait for the next probe, longer each time; False when the run is told something before."""
        pause = pause_before_probe(self._state.probe_seconds, probes)
        self._next_probe = workflow.now() + pause
        try:
            await workflow.wait_condition(
                lambda: not self._provider_down(), timeout=pause, timeout_summary="Until the provider is probed again"
            )
        except TimeoutError:
            return True
        else:
            return False
        finally:
            self._next_probe = None

    async def _probe(self) -> None:
        try:
            probed = await steps.probe_provider(self._run)
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            return  # Nothing was learnt: the next probe will tell.
        finally:
            self._heed_cancel()
        if probed.up and self._provider_down():
            self._put_command("resume")

    @workflow.signal(description="Let what is under way finish and start nothing new.")
    def pause(self) -> None:
        self._put_command("pause")

    @workflow.signal(description="Go on after a pause.")
    def resume(self) -> None:
        self._put_command("resume")

    @workflow.signal(description="Give up what is under way and end the run; what was saved stays.")
    def cancel(self) -> None:
        self._put_command("cancel")

    @workflow.signal(description="Run the failed batches again.")
    def retry_failed_batches(self) -> None:
        self._put_command("retry_failed_batches")

    @workflow.signal(description='Change limits: {"budget_usd": "5.00", "concurrency": 16}.')
    def set_limits(self, limits: contract.LimitsChange) -> None:
        self._put_command("set_limits", limits=limits)

    @workflow.signal(description="Close the run; refused while proposals are pending.")
    def close(self) -> None:
        self._put_command("close")

    @workflow.signal(description="Decisions were made: read the row again.")
    def review_changed(self) -> None:
        self._inbox.put(None)

    @workflow.update(description="Close the run and answer with its state, or with the refusal.")
    async def close_run(self) -> contract.RunState:
        return await answer(self._put_command("close"))

    @workflow.update(description="Change limits and answer with the state, or with the refusal.")
    async def change_limits(self, limits: contract.LimitsChange) -> contract.RunState:
        return await answer(self._put_command("set_limits", limits=limits))

    # --- what others see ---

    @workflow.query(description="Where the run stands.")
    def progress(self) -> contract.ProgressReport:
        total = self._total or self._state.batches_created
        return contract.ProgressReport(
            run_id=self._run.run_id,
            status=self._state.status,
            stage=self._state.stage,
            paused_reason=self._state.paused_reason,
            in_flight=sorted(self._in_flight),
            waiting=len(self._waiting),
            current_batch=self._settled(),
            total_batches=total,
            batches_failed=self._state.batches_failed,
            proposals_pending=self._state.proposals_pending,
            progress_percent=self._progress_percent(),
            since=workflow.info().start_time,
            next_probe_at=self._next_probe,
        )

    def _settled(self) -> int:
        if self._state.phase == "review":
            return self._state.batches_created
        return self._total - len(self._waiting) - len(self._in_flight)

    def _progress_percent(self) -> int:
        """Whole per cent, which a batch that is split doesn't lower."""
        if self._state.phase == "review":
            return 100
        return max(self._percent, 100 * self._settled() // self._total) if self._total else 0

    def _take(self, state: contract.RunState) -> None:
        """Believe the row, and show it in the Web UI."""
        self._state = state
        self._display.show(state)
