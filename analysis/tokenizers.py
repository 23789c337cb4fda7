"""Who counts a model's tokens: its own tokenizer where that is public and needs no network, else an estimate."""

import asyncio
from collections.abc import Callable
from functools import lru_cache

from analysis.costs import estimate_tokens
from models.values import ProviderType

Counter = Callable[[str], int]
"""The number of tokens in a text."""

_O200K, _CL100K = "o200k_base", "cl100k_base"
_ENCODINGS = (
    ("gpt-4o", _O200K),
    ("gpt-4.", _O200K),
    ("gpt-5", _O200K),
    ("gpt-oss", _O200K),
    ("chatgpt-4o", _O200K),
    ("o1", _O200K),
    ("o3", _O200K),
    ("o4", _O200K),
    ("gpt-4", _CL100K),
    ("gpt-3.5", _CL100K),
    ("gpt-35", _CL100K),
)
"""By how a model's name begins, the first that fits; source: OpenAI's `tiktoken/model.py`.

What encodes gpt-oss differs in special tokens only; `gpt-35` is Azure's spelling."""
_SPEAK_OF_OPENAI: tuple[ProviderType, ...] = ("openai", "azure", "groq")
"""Providers at which such a name means that model. An Ollama may serve anything under any name."""


def encoding_of(provider_type: ProviderType, model: str) -> str | None:
    """The name of the model's encoding, None where its tokenizer isn't known."""
    if provider_type not in _SPEAK_OF_OPENAI:
        return None
    # A fine-tuned model is `ft:gpt-4o-mini:team::id`, one of Groq's `openai/gpt-oss-20b`.
    name = model.lower().removeprefix("ft:").removeprefix("openai/")
    return next((encoding for prefix, encoding in _ENCODINGS if name.startswith(prefix)), None)


async def counter_for(provider_type: ProviderType, model: str) -> Counter:
    """Counts as the model does, where that is known, else about so.

    The first of an encoding takes a second and 130 MB.
    """
    encoding = encoding_of(provider_type, model)
    return estimate_tokens if encoding is None else await asyncio.to_thread(_counter, encoding)


@lru_cache
def _counter(encoding: str) -> Counter:
    # Its public `get_encoding` gives lists of tokens where a number is wanted, and holds the vocabulary a second time.
    from bpe_openai._bindings import tokenizer_for_encoding

    # What means something to a model, such as `<|endoftext|>`, is text where people write it, and counted as text.
    count: Counter = tokenizer_for_encoding(encoding).count
    return count
