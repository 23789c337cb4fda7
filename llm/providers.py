"""Providers: one table from a provider's type to the model that speaks with it."""

import asyncio
import ipaddress
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import NoReturn
from urllib.parse import urlsplit

from pydantic_ai.models import Model

from errors import ModelFailure
from llm.offline_model import OfflineModel
from models.values import OutputMode, ProviderType


@dataclass(frozen=True)
class ProviderConnection:
    """How a provider is reached. The timeout is in seconds, of one request.

    `api_key` of a Bedrock provider is a Bedrock API key, or an IAM pair as `ACCESS_KEY_ID:SECRET_ACCESS_KEY`.
    """

    type: ProviderType
    base_url: str | None = None
    api_key: str | None = field(default=None, repr=False)
    output_mode: OutputMode = "auto"
    request_timeout_seconds: float = 60.0

    @property
    def takes_request_options(self) -> bool:
        """Whether time and retries can be set on a request. Where not, the client is built without retries."""
        return self.type != "offline" and (self.type != "bedrock" or self.speaks_chat_completions)

    @property
    def speaks_chat_completions(self) -> bool:
        """Whether OpenAI's protocol is spoken, whatever the type: so it is behind every `base_url` that isn't the bare
        address of the type's own service (`https://api.anthropic.com`, or a Bedrock address, which names a region)."""
        service = OWN_SERVICES.get(self.type)
        if service is None:
            return self.type != "offline"
        if self.base_url is None:
            return False
        address = urlsplit(self.base_url)
        return not f".{address.hostname}".endswith(f".{service}") or bool(address.path.strip("/"))


OWN_SERVICES: dict[ProviderType, str] = {
    "anthropic": "anthropic.com",
    "google": "googleapis.com",
    "mistral": "mistral.ai",
    "groq": "groq.com",
    "bedrock": "amazonaws.com",
}
"""Whose services speak a protocol of their own."""

_BEST_MODE: dict[ProviderType, OutputMode] = {"ollama": "native"}
"""Where it isn't tool calls: a local Ollama holds a small model to the schema by its grammar."""


def output_mode(connection: ProviderConnection, model: Model) -> OutputMode:
    """The mode to ask in, `auto` replaced by the best that the provider's type and the model are known to speak."""
    if connection.output_mode != "auto":
        return connection.output_mode
    best = _BEST_MODE.get(connection.type, "tool")
    # Ollama's cloud models ignore a schema: https://github.com/pydantic/pydantic-ai/issues/4917
    return "tool" if best == "native" and not model.profile.get("supports_json_schema_output") else best


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
    if urlsplit(endpoint).path.rstrip("/").endswith("/v1"):
        # Azure's newer address, and any gateway's, knows no versions: the provider refuses to send it one.
        return _openai(connection, model)
    provider = AzureProvider(azure_endpoint=endpoint, api_version=AZURE_API_VERSION, api_key=key)
    return OpenAIChatModel(model, provider=provider)


def _bedrock(connection: ProviderConnection, model: str) -> Model:
    from pydantic_ai.models.bedrock import BedrockConverseModel
    from pydantic_ai.providers.bedrock import BedrockProvider

    key = connection.api_key or _required("api_key", connection)
    access_key, pair, secret = key.partition(":")
    region, timeout = _bedrock_region(connection.base_url), connection.request_timeout_seconds
    if pair:
        provider = BedrockProvider(
            aws_access_key_id=access_key,
            aws_secret_access_key=secret,
            region_name=region,
            base_url=connection.base_url,
            aws_read_timeout=timeout,
        )
    else:
        provider = BedrockProvider(
            api_key=key, region_name=region, base_url=connection.base_url, aws_read_timeout=timeout
        )
    # boto3 would try five times, and neither the provider nor a request has a setting against it.
    provider.client.meta.events.unregister("needs-retry.bedrock-runtime", unique_id="retry-config-bedrock-runtime")
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


_MOST_MODELS = 64
_built: dict[tuple[ProviderConnection, str], Model] = {}
_building = Lock()


def build_model(connection: ProviderConnection, model_name: str) -> Model:
    """The model that speaks with the provider; the same for the same connection, so that HTTP clients are reused.

    ModelFailure `misconfigured` where a part is missing.
    """
    with _building:
        model = _built.get((connection, model_name))
        if model is None:
            model = _new_model(connection, model_name)
            while len(_built) >= _MOST_MODELS:
                _built.pop(next(iter(_built)))
            _built[connection, model_name] = model
        return model


async def model_of(connection: ProviderConnection, model_name: str) -> Model:
    """The same; one that isn't built yet is built in a thread, for the first of a type imports its SDK, which takes up
    to a second."""
    built = _built.get((connection, model_name))
    return built if built is not None else await asyncio.to_thread(build_model, connection, model_name)


async def close_clients() -> None:
    """Close the HTTP clients of every model that was built. For the end of a process."""
    with _building:
        models = list(_built.values())
        _built.clear()
    for model in models:
        # Leaving a model closes its client; a request leaves it open by not entering.
        async with model:
            pass


def _new_model(connection: ProviderConnection, model_name: str) -> Model:
    try:
        if connection.type in OWN_SERVICES and connection.speaks_chat_completions:
            return _openai(connection, model_name)
        return _BUILDERS[connection.type](connection, model_name)
    except ModelFailure:
        raise
    except Exception as error:
        # Their texts may repeat the key or the address with its password.
        raise ModelFailure("misconfigured", f"The provider can't be set up: {type(error).__name__}.") from None


def _required(part: str, connection: ProviderConnection) -> NoReturn:
    raise ModelFailure("misconfigured", f"A provider of type {connection.type!r} needs {part}.")


def _bedrock_region(base_url: str | None) -> str:
    """The region in an address like `https://bedrock-runtime.eu-central-1.amazonaws.com`."""
    labels = (urlsplit(base_url).hostname or "").split(".") if base_url else []
    return labels[1] if len(labels) > 2 and labels[0].startswith("bedrock") else "us-east-1"


async def check_target(url: str, *, allow_private: bool) -> None:
    """ModelFailure `misconfigured` for an address that isn't http(s), or is private where that isn't allowed.

    Private is what the public internet doesn't route: loopback, link-local, private and reserved networks. Looks at
    what the name resolves to now, since a public name may point inside; all that it resolves to must be public.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https"):
        raise ModelFailure("misconfigured", "base_url must be an http or https address.")
    if allow_private:
        return
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise ModelFailure("connection", "The host of base_url can't be found.") from None
    if not all(_is_public(str(entry[4][0])) for entry in found):
        raise ModelFailure("misconfigured", "base_url points to a private address, which this service does not allow.")


def _is_public(address: str) -> bool:
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        found = found.ipv4_mapped or _behind_nat64(found) or found
    return found.is_global and not found.is_multicast


_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def _behind_nat64(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF) if address in _NAT64 else None
