"""What a run is configured with: read as it is now, and snapshotted for what it means."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from analysis.costs import Price, price_known
from errors import BadRequest, Unprocessable
from models.agent import AgentConfig, AgentTaskAssignment, LLMProvider, TaskConfig
from models.project import ProjectConfig
from models.run import AnalysisRun


@dataclass(frozen=True)
class Configuration:
    """An assignment with everything behind it, and the project of the run."""

    assignment: AgentTaskAssignment
    agent: AgentConfig
    task: TaskConfig
    provider: LLMProvider
    project: ProjectConfig | None

    def snapshot(self, *, default_prompt: str, prompt_version: str) -> dict[str, Any]:
        """What the run means, enough to repeat it; how the provider is reached is live, and a key is never in it."""
        return {
            "assignment_id": str(self.assignment.id),
            "provider": {"id": str(self.provider.id), "name": self.provider.name, "type": self.provider.type},
            "agent": {
                "id": str(self.agent.id),
                "name": self.agent.name,
                "model_name": self.agent.model_name,
                "system_prompt": self.agent.system_prompt or default_prompt,
                "temperature": self.agent.temperature,
                "max_tokens": self.agent.max_tokens,
            },
            "task": {
                "id": str(self.task.id),
                "name": self.task.name,
                "description": self.task.description,
                "response_schema": self.task.response_schema,
            },
            "prompt_version": prompt_version,
            "project": None if self.project is None else project_snapshot(self.project),
            "auto_approve": None if self.project is None else self.project.auto_approve,
        }

    def check_active(self) -> None:
        """400 `assignment_inactive` or `unknown_project` where a part is switched off."""
        parts = {
            "assignment": self.assignment.is_active,
            f"agent {self.agent.name!r}": self.agent.is_active,
            f"task configuration {self.task.name!r}": self.task.is_active,
            f"provider {self.provider.name!r}": self.provider.is_active,
        }
        off = [name for name, active in parts.items() if not active]
        if off:
            raise BadRequest("assignment_inactive", f"Switched off: {', '.join(off)}.")
        if self.project is not None and not self.project.is_active:
            raise BadRequest("unknown_project", f"The project {self.project.name!r} is switched off.")

    def nothing_spent(self) -> Decimal | None:
        """What a run has cost before its first call, in US dollars: None where the price of its model is unknown."""
        known = price_known(self.provider.type, self.agent.model_name, own_price(self.provider))
        return Decimal(0) if known else None

    def check_price(self) -> None:
        """422 `price_unknown` where a budget could not be kept."""
        if self.nothing_spent() is None:
            raise _price_unknown(self.agent.model_name)


def project_snapshot(project: ProjectConfig) -> dict[str, Any]:
    return {
        "id": str(project.id),
        "name": project.name,
        "version": project.version,
        "description": project.description,
        "keywords": project.keywords,
        "glossary": project.glossary,
        "components": project.components,
        "priority_rules": project.priority_rules,
    }


async def load(session: AsyncSession, assignment_id: UUID, project_id: UUID | None) -> Configuration:
    """The configuration; 400 `unknown_agent_assignment` or `unknown_project`."""
    query = (
        select(AgentTaskAssignment, AgentConfig, TaskConfig, LLMProvider)
        .join(AgentConfig, col(AgentConfig.id) == col(AgentTaskAssignment.agent_id))
        .join(TaskConfig, col(TaskConfig.id) == col(AgentTaskAssignment.task_id))
        .join(LLMProvider, col(LLMProvider.id) == col(AgentConfig.provider_id))
        .where(col(AgentTaskAssignment.id) == assignment_id)
    )
    row = (await session.exec(query)).one_or_none()
    if row is None:
        raise BadRequest("unknown_agent_assignment", f"There is no agent assignment {assignment_id}.")
    project = await session.get(ProjectConfig, project_id) if project_id is not None else None
    if project_id is not None and project is None:
        raise BadRequest("unknown_project", f"There is no project {project_id}.")
    return Configuration(*row, project)


async def provider(session: AsyncSession, provider_id: UUID) -> LLMProvider | None:
    """The provider as it is now: its connection, limits and price are live."""
    return await session.get(LLMProvider, provider_id)


async def check_price(session: AsyncSession, run: AnalysisRun) -> None:
    """422 `price_unknown` where a budget of the run could not be kept: what its model costs, or what its calls so far
    have cost, is unknown. A run that has begun asks the model of its snapshot."""
    if run.status == "pending":
        (await load(session, run.agent_assignment_id, run.project_config_id)).check_price()
        return
    model, reached = run.config_snapshot["agent"]["model_name"], run.config_snapshot["provider"]
    live = await provider(session, UUID(reached["id"]))
    if not price_known(reached["type"], model, None if live is None else own_price(live)):
        raise _price_unknown(model)
    if run.cost_estimate is None and run.llm_requests:
        raise Unprocessable(
            "price_unknown", "What the run's calls have cost is unknown, so a budget could not be kept."
        )


def _price_unknown(model: str) -> Unprocessable:
    return Unprocessable("price_unknown", f"The price of {model!r} is unknown, so a budget could not be kept.")


def own_price(provider: LLMProvider) -> Price | None:
    """The provider's own price, where it has one."""
    if provider.input_price_per_mtok is None or provider.output_price_per_mtok is None:
        return None
    return Price(provider.input_price_per_mtok, provider.output_price_per_mtok)
