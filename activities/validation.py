"""Trying a provider out, as a run would use it."""

from dataclasses import replace
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from temporalio import activity

from activities.attempts import beating, step
from activities.connections import connection_of
from activities.resources import Resources
from analysis.prompts import DEFAULT_SYSTEM_PROMPT, render
from db import configuration
from errors import ModelFailure, NotFound
from llm.calls import CallRecord
from llm.extraction import ExtractionCall, extract
from models.agent import AgentConfig, LLMProvider
from models.base import new_id, now
from models.conversation import ChatMessage
from workflows import contract

LONGEST_TRIAL_SECONDS = 240.0
"""What the provider may take for a request of a trial, however long it may for one of a run."""
_NO_MODEL = "No agent uses this provider yet: name a model_name to try it with."


class ValidationActivities:
    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._database = resources.database

    @activity.defn(name="validate_provider")
    @step
    async def validate_provider(self, wish: contract.ProviderTrial) -> None:
        """Ask the provider about one harmless message and write on its row what came of it."""
        async with self._database.transaction() as session:
            provider = await configuration.provider(session, wish.provider_id)
            if provider is None:
                raise NotFound("provider_not_found", f"There is no provider {wish.provider_id}.")
            model_name = wish.model_name or await _model_in_use(session, wish.provider_id)
        async with beating():
            error = _NO_MODEL if model_name is None else await self._fault(provider, model_name)
        async with self._database.transaction() as session:
            row = await session.get(LLMProvider, wish.provider_id, with_for_update=True)
            # A provider that was changed meanwhile waits for a trial of what it is now.
            if row is not None and _reached(row) == _reached(provider):
                row.validation_status = "connected" if error is None else "error"
                row.validation_error = error
                row.validated_at = now()

    async def _fault(self, provider: LLMProvider, model_name: str) -> str | None:
        """What is wrong with the provider, with what to do about it; None where it answers within its schema."""
        try:
            connection = await connection_of(provider, self._resources)
            seconds = min(connection.request_timeout_seconds, LONGEST_TRIAL_SECONDS)
            call = ExtractionCall(
                connection=replace(connection, request_timeout_seconds=seconds),
                model_name=model_name,
                prompt=render(_TRIAL, system_prompt=DEFAULT_SYSTEM_PROMPT, project=None, time_gap_seconds=600),
                messages=_TRIAL,
                price=configuration.own_price(provider),
            )
            await extract(call, record=CallRecord())
        except ModelFailure as failure:
            return f"{failure.detail} {failure.rule.hint}"
        return None


def _reached(provider: LLMProvider) -> tuple[object, ...]:
    """What a trial tries."""
    return provider.type, provider.base_url, provider.api_key_encrypted


async def _model_in_use(session: AsyncSession, provider_id: UUID) -> str | None:
    query = (
        select(AgentConfig.model_name)
        .where(col(AgentConfig.provider_id) == provider_id)
        .order_by(col(AgentConfig.is_active).desc(), col(AgentConfig.created_at).desc())
        .limit(1)
    )
    return (await session.exec(query)).first()


_TRIAL = [
    ChatMessage(
        id=new_id(), channel="trial", author="ada", sent_at=now(), text="Please add a link to the docs to the readme."
    )
]
