"""Providers: one table from a provider's type to the model that speaks with it."""

import asyncio
import ipaddress
import socket
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

from pydantic_ai.models import Model

from errors import ModelFailure
from llm.offline_model import OfflineModel
from models.values import OutputMode, ProviderType


@dataclass(frozen=True)
class ProviderConnection:
    """How a provider is reached. The timeout is in seconds, of one request."""

    type: ProviderType
    base_url: str | None = None
    api_key: str | None = None
    output_mode: OutputMode = "auto"
    request_timeout_seconds: float = 60.0

    @property
    def mode(self) -> OutputMode:
        """The output mode, `auto` replaced by what the provider's type speaks best."""
        return _BEST_MODE.get(self.type, "tool") if self.output_mode == "auto" else self.output_mode


_BEST_MODE: dict[ProviderType, OutputMode] = {"ollama": "native"}
"""Where it isn't tool calls: a local Ollama holds a small model to the schema by its grammar."""


def _offline(connection: ProviderConnection, model: str) -> Model:
    return OfflineModel(model)


def _openai(connection: ProviderConnection, model: str) -> Model:
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    # A compatible server of one's own often wants no key; the SDK wants some text.
    key = connection.api_key or ("none" if connection.base_url else _required("api_key", connection))
    return OpenAIChatModel(model, provider=OpenAIProvider(base_url=connection.base_url, api_key=key))


def _ollama(connection: ProviderConnection, model: str) -> Model:
    from pydantic_ai.models.ollama import OllamaModel
    from pydantic_ai.providers.ollama import OllamaProvider

    base_url = (connection.base_url or _required("base_url", connection)).rstrip("/")
    address = base_url if base_url.endswith("/v1") else f"{base_url}/v1"
    return OllamaModel(model, provider=OllamaProvider(base_url=address, api_key=connection.api_key or "none"))


def _anthropic(connection: ProviderConnection, model: str) -> Model:
    from pydantic_ai.models.anthropic import AnthropicModel
    from pydantic_ai.providers.anthropic import AnthropicProvider

    key = connection.api_key or _required("api_key", connection)
    return AnthropicModel(model, provider=AnthropicProvider(api_key=key, base_url=connection.base_url))


def _google(connection: ProviderConnection, model: str) -> Model:
    from pydantic_ai.models.google import GoogleModel
    from pydantic_ai.providers.google import GoogleProvider

    key = connection.api_key or _required("api_key", connection)
    return GoogleModel(model, provider=GoogleProvider(api_key=key, base_url=connection.base_url))


def _mistral(connection: ProviderConnection, model: str) -> Model:
    from pydantic_ai.models.mistral import MistralModel
    from pydantic_ai.providers.mistral import MistralProvider

    key = connection.api_key or _required("api_key", connection)
    return MistralModel(model, provider=MistralProvider(api_key=key, base_url=connection.base_url))


def _groq(connection: ProviderConnection, model: str) -> Model:
    from pydantic_ai.models.groq import GroqModel
    from pydantic_ai.providers.groq import GroqProvider

    key = connection.api_key or _required("api_key", connection)
    return GroqModel(model, provider=GroqProvider(api_key=key, base_url=connection.base_url))


def _azure(connection: ProviderConnection, model: str) -> Model:
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.azure import AzureProvider

    endpoint = connection.base_url or _required("base_url", connection)
    key = connection.api_key or _required("api_key", connection)
    provider = AzureProvider(azure_endpoint=endpoint, api_version=AZURE_API_VERSION, api_key=key)
    return OpenAIChatModel(model, provider=provider)


def _bedrock(connection: ProviderConnection, model: str) -> Model:
    from pydantic_ai.models.bedrock import BedrockConverseModel
    from pydantic_ai.providers.bedrock import BedrockProvider

    key = connection.api_key or _required("api_key", connection)
    region = _bedrock_region(connection.base_url)
    provider = BedrockProvider(
        api_key=key,
        region_name=region,
        base_url=connection.base_url,
        aws_read_timeout=connection.request_timeout_seconds,
    )
    return BedrockConverseModel(model, provider=provider)


AZURE_API_VERSION = "2024-10-21"

_BUILDERS: dict[ProviderType, Callable[[ProviderConnection, str], Model]] = {
    "offline": _offline,
    "openai": _openai,
    "ollama": _ollama,
    "anthropic": _anthropic,
    "google": _google,
    "mistral": _mistral,
    "groq": _groq,
    "azure": _azure,
    "bedrock": _bedrock,
}


@lru_cache(maxsize=64)
def build_model(connection: ProviderConnection, model_name: str) -> Model:
    """The model that speaks with the provider; the same for the same connection, so that HTTP clients are reused.

    ModelFailure `misconfigured` where a part is missing.
    """
    try:
        return _BUILDERS[connection.type](connection, model_name)
    except ModelFailure:
        raise
    except Exception as error:
        detail = f"The provider can't be set up: {type(error).__name__}"
        raise ModelFailure("misconfigured", detail) from error


def _required(part: str, connection: ProviderConnection) -> str:
    raise ModelFailure("misconfigured", f"A provider of type {connection.type!r} needs {part}.")


def _bedrock_region(base_url: str | None) -> str:
    """The region in an address like `https://bedrock-runtime.eu-central-1.amazonaws.com`."""
    labels = (urlsplit(base_url).hostname or "").split(".") if base_url else []
    return labels[1] if len(labels) > 2 and labels[0].startswith("bedrock") else "us-east-1"


async def check_target(url: str, *, allow_private: bool) -> None:
    """ModelFailure `misconfigured` for an address that isn't http(s), or is private where that isn't allowed.

    Looks at what the name resolves to now: a public name may point inside.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ModelFailure("misconfigured", "base_url must be an http or https address.")
    if allow_private:
        return
    try:
        found = await asyncio.get_running_loop().getaddrinfo(parts.hostname, None, type=socket.SOCK_STREAM)
    except OSError as error:
        raise ModelFailure("connection", f"The host of base_url can't be found: {error.strerror}") from error
    if not all(ipaddress.ip_address(entry[4][0]).is_global for entry in found):
        raise ModelFailure("misconfigured", "base_url points to a private address, which this service does not allow.")
