"""What a request may cost, set aside from the run's budget before it is made."""

from dataclasses import dataclass
from decimal import Decimal

from sqlmodel.ext.asyncio.session import AsyncSession

from activities.questions import MAX_TOKENS_UNDER_BUDGET, Question
from analysis.budgets import affordable_tokens, least_tokens
from analysis.costs import cost_of
from db import budgets
from db.configuration import own_price


class BudgetSpentError(Exception):
    """What is left of the run's budget doesn't pay for a call. Its text has the figures."""


@dataclass(frozen=True)
class Request:
    """One request of an attempt, which has spent `used` US dollars on the requests before it."""

    question: Question
    attempt: budgets.Attempt
    input_tokens: int
    used: Decimal

    @property
    def wanted(self) -> int:
        """The tokens that its answer may take where the budget leaves room."""
        return self.question.max_tokens or MAX_TOKENS_UNDER_BUDGET

    def cost(self, input_tokens: int, output_tokens: int) -> Decimal:
        """US dollars for so many tokens of the question's model; BudgetSpentError where it has no price any more."""
        cost = cost_of(
            self.question.provider.type,
            self.question.agent["model_name"],
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            own_price=own_price(self.question.provider),
        )
        if cost is None:
            raise BudgetSpentError("The model has no price any more, so the budget can't be kept.")
        return cost


async def reserve(session: AsyncSession, request: Request, budget: Decimal) -> int | None:
    """The bound of the answer for which money was reserved, in tokens; None while other calls have it."""
    wanted = request.wanted
    input_cost, output_cost = request.cost(request.input_tokens, 0), request.cost(0, wanted)
    account = await budgets.account(session, request.attempt)
    room = budget - account.committed - request.used
    bound = affordable_tokens(room, input_cost=input_cost, output_cost=output_cost, wanted=wanted)
    if bound < wanted:
        if account.others:
            return None
        longest = await budgets.longest_answer(session, request.attempt.run_id)
        if bound < least_tokens(longest, wanted=wanted):
            spent = account.committed + request.used
            raise BudgetSpentError(f"{spent:f} of {budget:f} US dollars are spent, and the rest pays for no call.")
    amount = input_cost + request.cost(0, bound)
    await budgets.reserve(session, request.attempt, amount, spent=request.used)
    return bound
