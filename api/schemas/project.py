"""Projects as the API takes and shows them."""

from datetime import datetime
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from api.schemas.fields import Body, JsonObject, Name, Patch, Share, Text


class Component(Body):
    """A part of a project and the words that point to it."""

    name: Name
    keywords: list[Name] = Field(default=[], max_length=500)


def _component(value: object) -> object:
    """A component may be given by its name alone."""
    return {"name": value} if isinstance(value, str) else value


Keywords = Annotated[list[Name], Field(max_length=500)]
Glossary = Annotated[dict[Name, Text], Field(max_length=500)]
Components = Annotated[list[Annotated[Component, BeforeValidator(_component)]], Field(max_length=500)]


class AutoApproval(Body):
    """Approve without a person what is at least so sure, and less like any task or earlier proposal than that."""

    min_confidence: Share
    max_similarity: Share = 0.5


class ProjectCreate(Body):
    """A new project: the words and rules by which a run tells what belongs to it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "Checkout",
                    "description": "The shop's checkout and payments.",
                    "keywords": ["checkout", "payment"],
                    "glossary": {"PSP": "payment service provider"},
                    "components": [{"name": "cart", "keywords": ["basket"]}],
                    "priority_rules": {"critical_keywords": ["outage"], "high_keywords": ["blocked"]},
                }
            ]
        }
    )

    name: Name
    description: Text = ""
    keywords: Keywords = Field(default_factory=list)
    glossary: Glossary = Field(default_factory=dict)
    components: Components = Field(default_factory=list)
    priority_rules: JsonObject = Field(default_factory=dict)
    default_assignees: Keywords = Field(default_factory=list)
    auto_approve: AutoApproval | None = None
    is_active: bool = True


class ProjectPatch(Patch):
    """What changes of a project. Lists and objects are replaced as a whole."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"keywords": ["checkout", "refund"]}]})
    nullable: ClassVar[frozenset[str]] = frozenset({"auto_approve"})

    name: Name | None = None
    description: Text | None = None
    keywords: Keywords | None = None
    glossary: Glossary | None = None
    components: Components | None = None
    priority_rules: JsonObject | None = None
    default_assignees: Keywords | None = None
    auto_approve: AutoApproval | None = None
    is_active: bool | None = None


class ProjectView(BaseModel):
    """A project. `version` rises with every change of what a run sees of it."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    name: str
    description: str
    keywords: list[str]
    glossary: dict[str, str]
    components: list[JsonObject]
    priority_rules: JsonObject
    default_assignees: list[str]
    auto_approve: AutoApproval | None
    is_active: bool
    version: str
    created_at: datetime
    updated_at: datetime
