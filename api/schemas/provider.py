"""Providers as the API takes and shows them."""

from datetime import datetime
from typing import Annotated, ClassVar, Self
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, StringConstraints
from pydantic_core import PydanticCustomError

from api.schemas.fields import Body, Count, JsonObject, Name, Patch, Price
from models.agent import LLMProvider
from models.base import Dollars
from models.values import OutputMode, ProviderType, ValidationStatus

_EXAMPLE: JsonObject = {
    "name": "Our gateway",
    "type": "openai",
    "base_url": "https://models.example.com/v1",
    "api_key": "sk-…",
    "max_concurrency": 16,
    "input_price_per_mtok": "0.15",
    "output_price_per_mtok": "0.60",
}


def _http_address(url: str) -> str:
    try:
        parts = urlsplit(url)
        reachable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        reachable = False
    if not reachable or not url.isascii() or not url.isprintable() or " " in url:
        raise PydanticCustomError("invalid_address", "must be an http or https address")
    if parts.username is not None or parts.query or parts.fragment:
        raise PydanticCustomError("invalid_address", "can't hold a user name, a query or a fragment")
    return url


BaseUrl = Annotated[str, StringConstraints(strip_whitespace=True, max_length=2000), AfterValidator(_http_address)]
ApiKeyText = Annotated[SecretStr, Field(min_length=1, max_length=10_000)]
Seconds = Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)]


class ProviderCreate(Body):
    """A new provider. `api_key` is written and never read back; prices are US dollars per million tokens."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    name: Name
    type: ProviderType
    base_url: BaseUrl | None = None
    api_key: ApiKeyText | None = None
    is_active: bool = True
    output_mode: OutputMode = "auto"
    max_requests_per_minute: Count | None = None
    max_tokens_per_minute: Count | None = None
    max_concurrency: Count | None = None
    input_price_per_mtok: Price | None = None
    output_price_per_mtok: Price | None = None
    request_timeout_seconds: Seconds = 60.0


class ProviderPatch(Patch):
    """What changes of a provider. `api_key: null` takes the key away."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"is_active": False}]})
    nullable: ClassVar[frozenset[str]] = frozenset(
        {
            "base_url",
            "api_key",
            "max_requests_per_minute",
            "max_tokens_per_minute",
            "max_concurrency",
            "input_price_per_mtok",
            "output_price_per_mtok",
        }
    )

    name: Name | None = None
    type: ProviderType | None = None
    base_url: BaseUrl | None = None
    api_key: ApiKeyText | None = None
    is_active: bool | None = None
    output_mode: OutputMode | None = None
    max_requests_per_minute: Count | None = None
    max_tokens_per_minute: Count | None = None
    max_concurrency: Count | None = None
    input_price_per_mtok: Price | None = None
    output_price_per_mtok: Price | None = None
    request_timeout_seconds: Seconds | None = None


class ProviderTrial(Body):
    """With which model to try the provider; the one that an agent uses where none is named."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"model_name": "gpt-5-mini"}]})

    model_name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)] | None = None


class ProviderView(BaseModel):
    """A provider; of its key only whether there is one."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    name: str
    type: ProviderType
    base_url: str | None
    has_api_key: bool
    is_active: bool
    output_mode: OutputMode
    max_requests_per_minute: int | None
    max_tokens_per_minute: int | None
    max_concurrency: int | None
    input_price_per_mtok: Dollars | None
    output_price_per_mtok: Dollars | None
    request_timeout_seconds: float
    validation_status: ValidationStatus
    validation_error: str | None
    validated_at: datetime | None
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, row: LLMProvider) -> Self:
        shown = row.model_dump(exclude={"api_key_encrypted"})
        return cls(**shown, has_api_key=row.api_key_encrypted is not None)
