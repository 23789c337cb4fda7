"""From a provider's type to the model that speaks with it."""

import socket
from typing import get_args

import pytest
from pydantic_ai.models.openai import OpenAIChatModel

from errors import ModelFailure
from llm.providers import ProviderConnection, build_model, check_target, close_clients, output_mode
from models.values import OutputMode, ProviderType

KEY = "sk-canary-0123456789"
COMPLETE: dict[ProviderType, ProviderConnection] = {
    "offline": ProviderConnection("offline"),
    "openai": ProviderConnection("openai", api_key=KEY),
    "ollama": ProviderConnection("ollama", "http://127.0.0.1:11434"),
    "anthropic": ProviderConnection("anthropic", api_key=KEY),
    "google": ProviderConnection("google", api_key=KEY),
    "mistral": ProviderConnection("mistral", api_key=KEY),
    "groq": ProviderConnection("groq", api_key=KEY),
    "azure": ProviderConnection("azure", "https://team.openai.azure.com", KEY),
    "bedrock": ProviderConnection("bedrock", "https://bedrock-runtime.eu-central-1.amazonaws.com", KEY),
}
KEY_VARIABLES = (
    "OPENAI_API_KEY",
    "ANTHROPIC_API_KEY",
    "GOOGLE_API_KEY",
    "MISTRAL_API_KEY",
    "GROQ_API_KEY",
    "AZURE_OPENAI_API_KEY",
    "AZURE_OPENAI_ENDPOINT",
    "OLLAMA_BASE_URL",
    "AWS_BEARER_TOKEN_BEDROCK",
)


@pytest.fixture
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a provider was built over the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.mark.usefixtures("_no_network")
@pytest.mark.parametrize("provider", get_args(ProviderType))
async def test_every_type_is_built_without_a_network(provider: ProviderType) -> None:
    await close_clients()

    model = build_model(COMPLETE[provider], "some-model")

    assert model.model_name == "some-model"
    assert build_model(COMPLETE[provider], "some-model") is model


@pytest.mark.parametrize(
    ("connection", "missing"),
    [
        (ProviderConnection("openai"), "api_key"),
        (ProviderConnection("anthropic"), "api_key"),
        (ProviderConnection("google"), "api_key"),
        (ProviderConnection("mistral"), "api_key"),
        (ProviderConnection("groq"), "api_key"),
        (ProviderConnection("bedrock"), "api_key"),
        (ProviderConnection("azure", api_key=KEY), "base_url"),
        (ProviderConnection("azure", "https://team.openai.azure.com"), "api_key"),
        (ProviderConnection("ollama"), "base_url"),
    ],
)
def test_a_missing_part_is_named_and_never_taken_from_the_environment(
    connection: ProviderConnection, missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in KEY_VARIABLES:
        monkeypatch.setenv(name, "http://127.0.0.1/from-the-environment")

    with pytest.raises(ModelFailure) as caught:
        build_model(connection, "some-model")

    assert caught.value.kind == "misconfigured"
    assert caught.value.detail == f"A provider of type {connection.type!r} needs {missing}."


def test_a_compatible_server_needs_no_key() -> None:
    model = build_model(ProviderConnection("openai", "http://127.0.0.1:9/v1"), "some-model")

    assert model.base_url is not None
    assert model.base_url.startswith("http://127.0.0.1:9/v1")


@pytest.mark.parametrize("address", ["http://127.0.0.1:9", "http://127.0.0.1:9/", "http://127.0.0.1:9/v1"])
def test_an_ollama_address_may_lack_its_path(address: str) -> None:
    assert (
        str(build_model(ProviderConnection("ollama", address), "qwen3").base_url).rstrip("/") == "http://127.0.0.1:9/v1"
    )


@pytest.mark.parametrize(
    ("provider", "asked", "spoken"),
    [
        ("offline", "auto", "tool"),
        ("openai", "auto", "tool"),
        ("ollama", "auto", "native"),
        ("anthropic", "auto", "tool"),
        ("openai", "native", "native"),
        ("ollama", "prompted", "prompted"),
    ],
)
def test_auto_means_what_the_type_speaks_best(provider: ProviderType, asked: OutputMode, spoken: OutputMode) -> None:
    given = COMPLETE[provider]
    connection = ProviderConnection(given.type, given.base_url, given.api_key, asked)

    assert output_mode(connection, build_model(connection, "some-model")) == spoken


@pytest.mark.parametrize(
    ("provider", "address", "spoken"),
    [
        ("anthropic", None, False),
        ("anthropic", "https://api.anthropic.com", False),
        ("anthropic", "https://api.anthropic.com/v1", True),
        ("anthropic", "https://gateway.example.com", True),
        ("anthropic", "https://notanthropic.com", True),
        ("google", "https://generativelanguage.googleapis.com/", False),
        ("google", "https://generativelanguage.googleapis.com/v1beta/openai", True),
        ("mistral", "http://127.0.0.1:9/v1", True),
        ("groq", "https://api.groq.com/openai/v1", True),
        ("bedrock", "https://bedrock-runtime.eu-central-1.amazonaws.com", False),
        ("bedrock", "https://bedrock-runtime.eu-central-1.amazonaws.com/openai/v1", True),
        ("azure", "https://team.openai.azure.com", True),
        ("azure", "https://team.openai.azure.com/openai/v1/", True),
        ("offline", "http://127.0.0.1:9/v1", False),
    ],
)
def test_chat_completions_are_spoken_behind_every_address_but_that_of_a_type_s_own_service(
    provider: ProviderType, address: str | None, spoken: bool
) -> None:
    connection = ProviderConnection(provider, address, KEY)

    assert connection.speaks_chat_completions == spoken
    assert isinstance(build_model(connection, "some-model"), OpenAIChatModel) == spoken


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_an_odd_address_is_a_matter_of_configuration_and_is_not_repeated(provider: ProviderType) -> None:
    with pytest.raises(ModelFailure) as caught:
        build_model(ProviderConnection(provider, "http://user:pass word@[::1/v1", KEY), "some-model")

    assert caught.value.kind == "misconfigured"
    assert "pass" not in caught.value.detail
    assert KEY not in repr(ProviderConnection("openai", api_key=KEY))


def test_a_changed_key_means_another_model() -> None:
    first = build_model(ProviderConnection("openai", api_key=KEY), "some-model")

    assert build_model(ProviderConnection("openai", api_key=f"{KEY}2"), "some-model") is not first


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8000/v1",
        "http://127.1/v1",
        "http://localhost/v1",
        "http://0.0.0.0/v1",
        "http://10.1.2.3/v1",
        "http://172.16.0.9/v1",
        "http://192.168.1.1/v1",
        "http://100.64.0.1/v1",
        "http://169.254.169.254/latest/meta-data",
        "http://[::1]:8000/v1",
        "http://[fe80::1]/v1",
        "http://[fd00::1]/v1",
        "http://[::ffff:127.0.0.1]/v1",
        "http://[64:ff9b::7f00:1]/v1",
        "http://224.0.0.1/v1",
    ],
)
async def test_a_private_target_is_refused_where_it_is_not_allowed(url: str) -> None:
    await check_target(url, allow_private=True)

    with pytest.raises(ModelFailure) as caught:
        await check_target(url, allow_private=False)

    assert caught.value.kind == "misconfigured"


@pytest.mark.parametrize(
    "url", ["https://8.8.8.8/v1", "https://[2001:4860:4860::8888]/v1", "http://[64:ff9b::808:808]"]
)
async def test_a_public_target_is_fine(url: str) -> None:
    await check_target(url, allow_private=False)


@pytest.mark.parametrize(
    "url", ["", "api.example.org/v1", "file:///etc/passwd", "ftp://8.8.8.8", "http://", "http://[::1"]
)
@pytest.mark.parametrize("allow_private", [True, False])
async def test_only_http_addresses_are_targets(url: str, allow_private: bool) -> None:
    with pytest.raises(ModelFailure) as caught:
        await check_target(url, allow_private=allow_private)

    assert caught.value.kind == "misconfigured"


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a" * 64 + ".example"])
async def test_a_name_that_is_not_found_is_a_failure_of_the_connection(host: str) -> None:
    with pytest.raises(ModelFailure) as caught:
        await check_target(f"https://{host}/v1", allow_private=False)

    assert caught.value.kind == "connection"
