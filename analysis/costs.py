"""Tokens and dollars: estimates before a call, prices after it."""

import re
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from math import ceil

from genai_prices import Usage, calc_price

from models.values import ProviderType

_PIECE = re.compile(r" ?[^\W\d_]+|\d{1,3}|[^\w\s]+|\s+|_+")
"""A text in the pieces that tokenizers cut it into before they look anything up."""
_LATIN, _OTHER, _IDEOGRAPHS, _SIGNS = 9, 3.3, 1.4, 2.5
"""Characters a token: of Latin letters, of other alphabets, of the scripts from U+2E80 on, of punctuation."""
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
    the provider had in its cache. The offline model costs nothing, unless a price is set for it.
    """
    if own_price is not None:
        return own_price.input_per_mtok * input_tokens / _MILLION + own_price.output_per_mtok * output_tokens / _MILLION
    if provider_type == "offline":
        return Decimal(0)
    listed = _PRICE_LIST_NAMES.get(provider_type)
    if listed is None or not _is_listed(listed, model):
        return None
    cached = min(cached_input_tokens, input_tokens)
    usage = Usage(input_tokens=input_tokens, output_tokens=output_tokens, cache_read_tokens=cached)
    return calc_price(usage, model_ref=model, provider_id=listed).total_price


@lru_cache(maxsize=256)  # the list looks through all its models each time for one that it doesn't know
def _is_listed(provider: str, model: str) -> bool:
    try:
        calc_price(Usage(), model_ref=model, provider_id=provider)
    except LookupError:
        return False
    return True


def price_known(provider_type: ProviderType, model: str, own_price: Price | None) -> bool:
    """Whether `cost_of` can tell what a call costs."""
    return cost_of(provider_type, model, input_tokens=1, output_tokens=1, own_price=own_price) is not None


def estimate_tokens(text: str) -> int:
    """About how many tokens a text is: within a tenth of `o200k_base` for chat, e-mail and our prompts in English,
    German and Ukrainian."""
    return sum(map(_tokens_of, _PIECE.findall(text)))


def _tokens_of(piece: str) -> int:
    last = piece[-1]
    if last.isdigit() or last.isspace():
        return 1
    if not last.isalpha():
        return ceil(len(piece) / _SIGNS)
    if piece.isascii():
        return ceil(len(piece.lstrip()) / _LATIN)
    return ceil(len(piece.lstrip()) / (_OTHER if ord(last) < 0x2E80 else _IDEOGRAPHS))
