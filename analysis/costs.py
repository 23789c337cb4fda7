"""Tokens and dollars: estimates before a call, prices after it."""

from dataclasses import dataclass
from decimal import Decimal

from genai_prices import Usage, calc_price

from models.values import ProviderType

CHARACTERS_PER_TOKEN = 4.0
"""Of English prose with common tokenizers; other scripts need more tokens, see `estimate_tokens`."""
TOKENS_PER_MESSAGE = 26
"""Reference, author, time and brackets of a message's line."""
TOKENS_PER_BATCH = 900
"""The system prompt, the answer's schema and the frame of the user message."""
TYPICAL_ANSWER_TOKENS = 350
_MILLION = Decimal(1_000_000)

_PRICE_LIST_NAMES: dict[ProviderType, str] = {
    "openai": "openai",
    "anthropic": "anthropic",
    "google": "google",
    "mistral": "mistral",
    "groq": "groq",
    "azure": "azure",
    "bedrock": "aws",
}


@dataclass(frozen=True)
class Price:
    """US dollars per million tokens."""

    input_per_mtok: Decimal
    output_per_mtok: Decimal


def cost_of(
    provider_type: ProviderType,
    model: str,
    *,
    input_tokens: int,
    output_tokens: int,
    own_price: Price | None,
    cached_input_tokens: int = 0,
) -> Decimal | None:
    """US dollars of a call: by the provider's own price, else by the price list; None where neither knows it.

    The list goes by type and model, whatever the base URL, and may know a lower price for the part of the input that
    the provider had in its cache. The offline model is known to cost nothing.
    """
    if provider_type == "offline":
        return Decimal(0)
    if own_price is not None:
        return own_price.input_per_mtok * input_tokens / _MILLION + own_price.output_per_mtok * output_tokens / _MILLION
    listed = _PRICE_LIST_NAMES.get(provider_type)
    if listed is None:
        return None
    cached = min(cached_input_tokens, input_tokens)
    usage = Usage(input_tokens=input_tokens, output_tokens=output_tokens, cache_read_tokens=cached)
    try:
        return calc_price(usage, model_ref=model, provider_id=listed).total_price
    except LookupError:
        return None


def price_known(provider_type: ProviderType, model: str, own_price: Price | None) -> bool:
    """Whether `cost_of` can tell what a call costs."""
    return cost_of(provider_type, model, input_tokens=1, output_tokens=1, own_price=own_price) is not None


def estimate_tokens(text: str) -> int:
    """About how many tokens a text is: a quarter of its ASCII characters and two thirds of the others."""
    wide = 0 if text.isascii() else sum(1 for character in text if ord(character) > 127)
    return int((len(text) - wide) / CHARACTERS_PER_TOKEN + wide / 1.5) + 1


def estimate_input_tokens(*, characters: int, messages: int, batches: int) -> int:
    """About how many input tokens a run's prompts come to."""
    return int(characters / CHARACTERS_PER_TOKEN) + messages * TOKENS_PER_MESSAGE + batches * TOKENS_PER_BATCH
