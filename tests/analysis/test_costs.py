"""Tokens and dollars."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.costs import Price, cost_of, estimate_tokens, price_known
from models.values import ProviderType

OWN = Price(Decimal("2.50"), Decimal(10))


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai", "gpt-4o-mini"),
        ("azure", "gpt-4o-mini"),
        ("anthropic", "claude-sonnet-4-5"),
        ("google", "gemini-2.5-flash"),
        ("mistral", "mistral-large-latest"),
        ("groq", "llama-3.3-70b-versatile"),
        ("bedrock", "anthropic.claude-3-haiku-20240307-v1:0"),
    ],
)
def test_the_price_list_knows_the_common_models(provider: ProviderType, model: str) -> None:
    cost = cost_of(provider, model, input_tokens=1000, output_tokens=100, own_price=None)

    assert price_known(provider, model, None)
    assert cost is not None
    assert 0 < cost < 1


@pytest.mark.parametrize(("provider", "model"), [("ollama", "qwen3"), ("openai", "my-own-model"), ("bedrock", "")])
def test_an_unknown_price_is_none_and_never_zero(provider: ProviderType, model: str) -> None:
    assert not price_known(provider, model, None)
    assert cost_of(provider, model, input_tokens=1000, output_tokens=100, own_price=None) is None


def test_the_providers_own_price_comes_first() -> None:
    for model in ("my-own-model", "gpt-4o-mini"):
        cost = cost_of("openai", model, input_tokens=1_000_000, output_tokens=500_000, own_price=OWN)
        assert cost == Decimal("7.50")
    assert price_known("ollama", "qwen3", OWN)


def test_the_offline_model_is_known_to_be_free_unless_a_price_is_set() -> None:
    assert price_known("offline", "rules-1", None)
    assert cost_of("offline", "rules-1", input_tokens=10, output_tokens=10, own_price=None) == 0
    assert cost_of("offline", "rules-1", input_tokens=1_000_000, output_tokens=500_000, own_price=OWN) == Decimal(
        "7.50"
    )


def test_input_from_the_providers_cache_may_cost_less() -> None:
    def cost(cached: int) -> Decimal:
        found = cost_of(
            "openai", "gpt-4o-mini", input_tokens=1000, output_tokens=0, cached_input_tokens=cached, own_price=None
        )
        assert found is not None
        return found

    assert cost(1000) < cost(0)
    assert cost(5000) == cost(1000)


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [
        ("", 0, 1),
        ("Could somebody have a look at the login page, please?", 11, 20),
        ("Подивіться, будь ласка, на сторінку входу", 15, 40),
        ("ログインページを見てください", 8, 20),
    ],
)
def test_an_estimate_is_of_the_right_size(text: str, least: int, most: int) -> None:
    assert least <= estimate_tokens(text) <= most


@given(st.text(), st.text())
def test_a_longer_text_has_no_fewer_tokens(text: str, more: str) -> None:
    assert estimate_tokens(text) <= estimate_tokens(text + more)
