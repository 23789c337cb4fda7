"""Agents."""

from uuid import UUID

from fastapi import APIRouter, status
from sqlmodel.ext.asyncio.session import AsyncSession

from api.auth import Admin, Reader
from api.configuration import page_of
from api.dependencies import Api
from api.idempotency import IdempotentRoute
from api.paging import Page, PageQuery
from api.schemas.agent import AgentCreate, AgentPatch, AgentView
from db.records import Records
from errors import BadRequest
from models.agent import AgentConfig, LLMProvider

router = APIRouter(prefix="/agents", tags=["agents"], route_class=IdempotentRoute)
_agents = Records(AgentConfig, "agent")


@router.get("")
async def list_agents(_: Reader, resources: Api, page: PageQuery) -> Page[AgentView]:
    """Agents, the newest first."""
    return await page_of(resources, page, _agents, AgentView.model_validate)


@router.post("", status_code=status.HTTP_201_CREATED)
async def create_agent(body: AgentCreate, actor: Admin, resources: Api) -> AgentView:
    """Add an agent. 400 `unknown_provider`; 409 `duplicate_name`."""
    async with resources.database.transaction() as session:
        await _check_provider(session, body.provider_id)
        return AgentView.model_validate(await _agents.add(session, AgentConfig(**body.model_dump()), actor))


@router.get("/{agent_id}")
async def get_agent(agent_id: UUID, _: Reader, resources: Api) -> AgentView:
    """The agent; 404 `agent_not_found`."""
    async with resources.database.transaction() as session:
        return AgentView.model_validate(await _agents.get(session, agent_id))


@router.patch("/{agent_id}")
async def change_agent(agent_id: UUID, body: AgentPatch, actor: Admin, resources: Api) -> AgentView:
    """Change the fields named. Runs that have begun keep the model and prompt that they began with.

    400 `unknown_provider`; 404 `agent_not_found`; 409 `duplicate_name`.
    """
    async with resources.database.transaction() as session:
        row = await _agents.lock(session, agent_id)
        if body.provider_id is not None:
            await _check_provider(session, body.provider_id)
        return AgentView.model_validate(await _agents.change(session, row, body.named(), actor))


@router.delete("/{agent_id}", status_code=status.HTTP_204_NO_CONTENT)
async def delete_agent(agent_id: UUID, actor: Admin, resources: Api) -> None:
    """Remove an agent that is given no task configuration. 404 `agent_not_found`; 409 `in_use`."""
    async with resources.database.transaction() as session:
        await _agents.remove(session, agent_id, actor)


async def _check_provider(session: AsyncSession, provider_id: UUID) -> None:
    """400 `unknown_provider`. The provider can't be removed before this transaction ends."""
    kept = {"read": True, "key_share": True}
    if await session.get(LLMProvider, provider_id, with_for_update=kept) is None:
        raise BadRequest("unknown_provider", f"There is no provider {provider_id}.")
