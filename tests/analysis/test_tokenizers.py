"""Who counts a model's tokens."""

import pytest

from analysis.costs import estimate_tokens
from analysis.prompts import DEFAULT_SYSTEM_PROMPT, render
from analysis.tokenizers import counter_for, encoding_of
from models.values import ProviderType
from tests.support.chat import conversation


@pytest.mark.parametrize(
    ("provider", "model", "encoding"),
    [
        ("openai", "gpt-4o-mini-2024-07-18", "o200k_base"),
        ("openai", "gpt-4.1", "o200k_base"),
        ("openai", "gpt-5-mini", "o200k_base"),
        ("openai", "o3", "o200k_base"),
        ("openai", "ft:gpt-4o-mini-2024-07-18:acme::abc", "o200k_base"),
        ("openai", "gpt-4-turbo", "cl100k_base"),
        ("azure", "gpt-35-turbo", "cl100k_base"),
        ("groq", "openai/gpt-oss-20b", "o200k_base"),
        ("openai", "llama-3.1-8b", None),
        ("ollama", "gpt-4o", None),
        ("anthropic", "claude-sonnet-4-5", None),
        ("offline", "rules-1", None),
    ],
)
def test_a_models_tokenizer_is_known_by_its_name(provider: ProviderType, model: str, encoding: str | None) -> None:
    assert encoding_of(provider, model) == encoding


@pytest.mark.parametrize(
    ("model", "text", "tokens"),
    [
        ("gpt-4o", "hello world", 2),
        ("gpt-4", "hello world", 2),
        ("gpt-4o", "Привіт, як справи?", 8),
        ("gpt-4", "Привіт, як справи?", 11),
        ("gpt-4o", "", 0),
    ],
)
async def test_a_known_model_is_counted_as_it_counts(model: str, text: str, tokens: int) -> None:
    """The figures are those of tiktoken 0.14."""
    count = await counter_for("openai", model)
    assert count(text) == tokens


async def test_words_that_mean_something_to_a_model_are_text_in_a_message() -> None:
    count = await counter_for("openai", "gpt-4o")
    assert count("<|endoftext|>") > 1


async def test_other_models_are_estimated() -> None:
    assert await counter_for("anthropic", "claude-sonnet-4-5") is estimate_tokens


async def test_the_estimate_is_near_to_what_a_model_counts() -> None:
    said = conversation(40, "Could you look at ticket {} before the release on Friday, please?")
    count, prompt = await counter_for("openai", "gpt-4o"), render(said, system_prompt=DEFAULT_SYSTEM_PROMPT)
    for text in (prompt.system, prompt.user):
        assert estimate_tokens(text) == pytest.approx(count(text), rel=0.15)
