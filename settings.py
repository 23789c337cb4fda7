"""The one place that reads the environment."""

from functools import lru_cache
from typing import Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Settings of every Gleaner process: environment variables with the prefix `GLEANER_`, and `.env`."""

    model_config = SettingsConfigDict(env_prefix="GLEANER_", env_file=".env", extra="ignore")

    database_url: SecretStr = SecretStr("postgresql://gleaner:gleaner@127.0.0.1:5432/gleaner")
    """PostgreSQL, as `postgresql://user:password@host:port/name`."""
    database_pool_size: int = Field(10, ge=3, le=200)
    """Connections that one process may hold."""

    temporal_address: str = "127.0.0.1:7233"
    temporal_namespace: str = "default"
    temporal_ui_url: str = "http://127.0.0.1:8233"
    """Where a person opens the Temporal Web UI; links in replies start with it."""
    temporal_api_key: SecretStr | None = None
    temporal_tls: bool = False
    temporal_tls_cert_file: str | None = None
    temporal_tls_key_file: str | None = None
    temporal_tls_ca_file: str | None = None

    api_host: str = "127.0.0.1"
    api_port: int = Field(8000, ge=0, le=65535)
    api_url: str = "http://127.0.0.1:8000"
    """Where `gleaner run`, `runs`, `watch`, `review` and `export` find the API."""
    api_key: SecretStr | None = None
    """The key that those commands send."""
    allowed_origins: list[str] = []
    """Browser origins besides the API's own that may open the WebSocket."""

    auth: Literal["required", "off"] = "required"
    """`off` is allowed only while the API listens on a loopback address."""
    secret_key: SecretStr | None = None
    """Encrypts provider keys at rest and signs WebSocket tokens. Any long random text."""
    allow_private_targets: bool = False
    """Whether model servers may stand on private and loopback addresses."""

    worker_roles: list[Literal["workflow", "model"]] = ["workflow", "model"]
    """Which task queues this worker serves: `gleaner` (workflow) and `gleaner-model` (model)."""
    worker_model_slots: int = Field(100, ge=1, le=1000)
    """Model calls that one worker may have under way."""
    worker_database_slots: int = Field(40, ge=1, le=1000)
    worker_shutdown_seconds: float = Field(20, gt=0)
    """How long a worker that is told to stop waits for what is under way."""

    provider_silence_seconds: float = Field(60, gt=0)
    """A provider that fails for so long without an answer pauses its runs."""
    provider_probe_seconds: float = Field(30, gt=0)
    """After so long it is asked again for the first time; then after twice as long each time, up to 15 minutes."""
    answer_retention_days: int = Field(90, ge=0)
    """How old an answer of another run may be to be used again."""
    sweep_seconds: int = Field(60, ge=0)
    """How often the schedule that a worker makes, where there is none, compares rows and workflows; 0 makes none."""
    history_limit: int = Field(2000, ge=50)
    """Workflow history events after which a run continues as new. A worker that takes a run over replays them."""
    group_from: int = Field(50, ge=0)
    """From how many batches on a run gives a worker several at a time; 0 is never."""

    embeddings: Literal["local", "off"] = "local"
    """Whether workers measure what titles mean, to find duplicates, which takes each of them 200 MB; without it they
    compare words."""

    prompt_version: Literal["2", "3", "4"] = "4"
    """How new runs show messages to the model (`analysis/prompts.py`): 2 by the clock alone, 3 conversation by
    conversation, with what was said before where a batch goes on from there, 4 also with each author's local time."""

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["text", "json"] = "text"

    @field_validator("secret_key", "api_key", "temporal_api_key", mode="before")
    @classmethod
    def _empty_is_none(cls, value: object) -> object:
        """A variable that is set to nothing is no secret."""
        return None if value == "" else value


@lru_cache
def get_settings() -> Settings:
    """The settings of this process, read once."""
    return Settings()
