"""Providers of language models."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response, status

from api.auth import Admin, Reader
from api.configuration import page_of
from api.dependencies import Api, Resources
from api.idempotency import IdempotentRoute
from api.paging import Page, PageQuery
from api.schemas.provider import ProviderCreate, ProviderPatch, ProviderTrial, ProviderView
from api.targets import check_public
from db.records import Records
from errors import Unavailable
from models.agent import LLMProvider
from workflows import contract

router = APIRouter(prefix="/providers", tags=["providers"], route_class=IdempotentRoute)
_providers = Records(LLMProvider, "provider")

TRIAL_SECONDS = 10.0
_CONNECTION = frozenset({"type", "base_url", "api_key"})
"""Fields whose change makes an earlier validation worthless."""


@router.get("")
async def list_providers(_: Reader, resources: Api, page: PageQuery) -> Page[ProviderView]:
    """Providers, the newest first."""
    return await page_of(resources, page, _providers, ProviderView.of)


@router.post("", status_code=status.HTTP_201_CREATED)
async def create_provider(body: ProviderCreate, actor: Admin, resources: Api) -> ProviderView:
    """Add a provider. 409 `duplicate_name`; 422 `private_target` where `base_url` isn't public and has to be,
    `secret_key_missing` where the service can't encrypt a key."""
    values = _row_values(resources, body)
    async with resources.database.transaction() as session:
        return ProviderView.of(await _providers.add(session, LLMProvider(**values), actor))


@router.get("/{provider_id}")
async def get_provider(provider_id: UUID, _: Reader, resources: Api) -> ProviderView:
    """The provider; 404 `provider_not_found`."""
    async with resources.database.transaction() as session:
        return ProviderView.of(await _providers.get(session, provider_id))


@router.patch("/{provider_id}")
async def change_provider(provider_id: UUID, body: ProviderPatch, actor: Admin, resources: Api) -> ProviderView:
    """Change the fields named. The connection is live: runs under way use it as it now is.

    404 `provider_not_found`; 409 `duplicate_name`; 422 like a create.
    """
    values = _row_values(resources, body)
    if _CONNECTION & body.model_fields_set:
        values |= {"validation_status": "pending", "validation_error": None, "validated_at": None}
    async with resources.database.transaction() as session:
        row = await _providers.lock(session, provider_id)
        return ProviderView.of(await _providers.change(session, row, values, actor))


@router.post("/{provider_id}/validate")
async def validate_provider(
    provider_id: UUID, _: Admin, resources: Api, response: Response, body: ProviderTrial | None = None
) -> ProviderView:
    """Ask the provider about one harmless message, as a run would, and keep what came of it in `validation_status` and
    `validation_error`. Replies 202 with `validating` where that takes more than some seconds, or no worker is there.

    404 `provider_not_found`; 503 `temporal_unavailable`.
    """
    async with resources.database.transaction() as session:
        row = await _providers.lock(session, provider_id)
        before = row.validation_status
        row.validation_status = "validating"
    wish = contract.ProviderTrial(provider_id=provider_id, model_name=None if body is None else body.model_name)
    try:
        await resources.temporal.try_provider(wish, TRIAL_SECONDS)
    except Unavailable:
        async with resources.database.transaction() as session:
            (await _providers.lock(session, provider_id)).validation_status = before
        raise
    async with resources.database.transaction() as session:
        found = ProviderView.of(await _providers.get(session, provider_id))
    if found.validation_status == "validating":
        response.status_code = status.HTTP_202_ACCEPTED
    return found


@router.delete("/{provider_id}", status_code=status.HTTP_204_NO_CONTENT)
async def delete_provider(provider_id: UUID, actor: Admin, resources: Api) -> None:
    """Remove a provider that no agent uses. 404 `provider_not_found`; 409 `in_use`."""
    async with resources.database.transaction() as session:
        await _providers.remove(session, provider_id, actor)


def _row_values(resources: Resources, body: ProviderCreate | ProviderPatch) -> dict[str, Any]:
    """The columns that the body names, its key encrypted."""
    if body.base_url is not None:
        check_public(body.base_url, allow_private=resources.settings.allow_private_targets)
    values = body.named() if isinstance(body, ProviderPatch) else body.model_dump()
    if "api_key" in values:
        del values["api_key"]
        key = body.api_key
        values["api_key_encrypted"] = None if key is None else resources.vault.encrypt(key.get_secret_value())
    return values
