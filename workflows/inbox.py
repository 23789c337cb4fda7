"""The commands that reached a run, carried out one after another."""

from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from workflows import contract
    from workflows.failures import describe


@dataclass
class Ticket:
    """A command in the inbox (None: only look at the row again), and how it went."""

    command: contract.RunCommand | None
    outcome: contract.CommandOutcome | None = None
    failure: str | None = None

    @property
    def done(self) -> bool:
        return self.outcome is not None or self.failure is not None


class Inbox:
    """Signals and updates put tickets in; `obey` takes them out in their order. Not empty: something may change."""

    def __init__(self) -> None:
        self._tickets: deque[Ticket] = deque()

    def __bool__(self) -> bool:
        return bool(self._tickets)

    def put(self, command: contract.RunCommand | None) -> Ticket:
        ticket = Ticket(command)
        self._tickets.append(ticket)
        return ticket

    def take_opening_retry(self) -> bool:
        """Whether a retry came first. It is then out of the inbox."""
        retry = bool(self._tickets) and _is_retry(self._tickets[0])
        if retry:
            self._tickets.popleft().failure = "taken at the beginning"
        return retry

    async def obey(self, carry_out: Callable[[Ticket], Awaitable[None]]) -> None:
        """Carry out one ticket after another, for ever."""
        while True:
            await workflow.wait_condition(lambda: bool(self._tickets))
            ticket = self._tickets[0]
            try:
                await carry_out(ticket)
            except ActivityError as error:
                ticket.failure = describe(error).message
            finally:
                self._tickets.popleft()

    async def empty(self) -> None:
        """Wait until every command is carried out and every handler has answered."""
        await workflow.wait_condition(lambda: not self._tickets and workflow.all_handlers_finished())


async def answer(ticket: Ticket) -> contract.RunState:
    """Wait for a command and return the state it led to; a refusal is an error of the refusal's type."""
    await workflow.wait_condition(lambda: ticket.done)
    if ticket.outcome is None:
        raise ApplicationError(ticket.failure or "The command failed.", type="command_failed")
    if not ticket.outcome.accepted:
        raise ApplicationError(ticket.outcome.detail or "Refused.", type=ticket.outcome.code)
    return ticket.outcome.state


def _is_retry(ticket: Ticket) -> bool:
    return ticket.command is not None and ticket.command.name == "retry_failed_batches"
