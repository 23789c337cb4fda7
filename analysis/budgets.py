"""How long an answer may get for the money that is left."""

from decimal import Decimal

SHORTEST_ANSWER_TOKENS = 64
SHORTEST_FIRST_ANSWER_TOKENS = 256


def affordable_tokens(room: Decimal, *, input_cost: Decimal, output_cost: Decimal, wanted: int) -> int:
    """Tokens of an answer, at most `wanted`, that `room` (US dollars) pays for beside the input; 0 where it pays none.

    `output_cost` is of `wanted` tokens.
    """
    left = room - input_cost
    if left < 0:
        return 0
    return wanted if output_cost <= left else int(left / output_cost * wanted)


def least_tokens(longest_answer: int, *, wanted: int) -> int:
    """The shortest bound that is worth a call: twice the run's longest answer so far, which few answers exceed."""
    least = max(SHORTEST_ANSWER_TOKENS, 2 * longest_answer) if longest_answer else SHORTEST_FIRST_ANSWER_TOKENS
    return min(wanted, least)
