"""The question whether titles mean the same work."""

from collections.abc import Mapping
from functools import partial

from analysis.costs import Price
from analysis.same_work import Pair, PairsPrompt, answer_schema, parse
from llm.calls import ModelCall
from llm.form import Form
from llm.providers import ProviderConnection

PAIRS = Form("pairs", "Of each pair whether both titles mean the same work.", answer_schema())


def same_work(
    connection: ProviderConnection,
    model_name: str,
    prompt: PairsPrompt,
    *,
    temperature: float | None = None,
    max_tokens: int | None = None,
    price: Price | None = None,
) -> ModelCall[Mapping[Pair, bool]]:
    """The call that asks it; its answer says of each pair whether it is."""
    return ModelCall(
        connection,
        model_name,
        prompt.system,
        prompt.user,
        PAIRS,
        partial(parse, refs=prompt.refs),
        [title for pair in prompt.refs.values() for title in (pair.new, pair.earlier)],
        temperature,
        max_tokens,
        price,
    )
