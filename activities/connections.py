"""A provider's row as a connection."""

from activities.resources import Resources
from errors import ModelFailure
from llm.providers import ProviderConnection, check_target
from models.agent import LLMProvider


async def connection_of(provider: LLMProvider, resources: Resources) -> ProviderConnection:
    """How the provider is reached now; ModelFailure where it is switched off or its address isn't allowed."""
    if not provider.is_active:
        raise ModelFailure("misconfigured", f"The provider {provider.name!r} is switched off.")
    if provider.base_url is not None:
        await check_target(provider.base_url, allow_private=resources.settings.allow_private_targets)
    return ProviderConnection(
        type=provider.type,
        base_url=provider.base_url,
        api_key=resources.vault.decrypt(provider.api_key_encrypted),
        output_mode=provider.output_mode,
        request_timeout_seconds=provider.request_timeout_seconds,
    )
