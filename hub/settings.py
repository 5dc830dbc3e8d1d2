"""The settings of a hub: the only reader of the environment, one frozen object."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)


class SettingsError(Exception):
    """A setting that is wrong, in one line that names it."""


class PriceSettings(BaseModel):
    """What a million tokens cost, in a currency of your choice."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    prompt: float = Field(ge=0, allow_inf_nan=False)
    completion: float = Field(ge=0, allow_inf_nan=False)


class ModelSettings(BaseModel):
    """`[models."slug"]`: an OpenAI-compatible upstream, or an alias of another slug."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    base_url: str | None = None
    api_key_env: tuple[str, ...] = ()
    upstream_model: str | None = None
    context_window: int = Field(8192, ge=256)
    max_output_tokens: int = Field(2048, ge=1)
    alias_of: str | None = None
    fallbacks: tuple[str, ...] = ()
    retries: int = Field(1, ge=0, le=5)
    connect_timeout_s: float = Field(10.0, gt=0)
    idle_timeout_s: float = Field(60.0, gt=0)
    timeout_s: float = Field(120.0, gt=0)
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] | None = None
    price: PriceSettings | None = None

    @field_validator("api_key_env", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value


class Settings(BaseSettings):
    """`HUB_*` variables over the TOML file named by `HUB_CONFIG` over the defaults."""

    model_config = SettingsConfigDict(env_prefix="HUB_", frozen=True, extra="forbid")

    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65_535)
    data_dir: Path = Path(".hub")
    database_url: str | None = None
    redis_url: str | None = None
    redis_prefix: str = "roomhub"
    allowed_origins: Annotated[tuple[str, ...], NoDecode] = ()
    secret_key: str | None = None
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["console", "json"] = "console"
    public_url: str | None = None
    outbound_allow: Annotated[tuple[str, ...], NoDecode] = ()
    models: dict[str, ModelSettings] = {}
    callables: dict[str, str] = {}

    lease_s: float = 15.0
    lease_renew_s: float = 5.0
    sweep_s: float = 5.0
    run_deadline_s: float = 120.0
    agent_deadline_s: float = 600.0
    person_wait_s: float = 86_400.0
    depth_cap: int = Field(6, ge=1)
    replies_cap: int = Field(12, ge=1)
    exchanges_cap: int = Field(10, ge=1)
    budget_runs: int | None = Field(None, ge=1)
    budget_tokens: int | None = Field(None, ge=1)
    budget_seconds: int | None = Field(None, ge=1)
    delta_flush_s: float = 0.04
    heartbeat_s: float = 25.0
    head_check_s: float = 5.0
    unsubscribe_delay_s: float = 10.0
    presence_tick_s: float = 0.5
    presence_lease_s: float = 15.0
    head_s: float = Field(10.0, gt=0)
    body_s: float = Field(30.0, gt=0)
    pending_bytes: int = 1_048_576
    pending_total_bytes: int = Field(268_435_456, ge=1)
    ws_deflate: bool = False
    commands_per_s: int = Field(5_000, ge=1)
    max_connections: int = Field(20_000, ge=1)
    connections_per_key: int = Field(1_000, ge=1)
    strangers_per_address: int = Field(500, ge=1)
    drain_s: float = 15.0
    worker_runs: int = Field(256, ge=1)

    @field_validator("redis_url")
    @classmethod
    def _is_redis(cls, value: str | None) -> str | None:
        if value and not value.startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("must begin with redis://, rediss:// or unix://")
        return value or None

    @field_validator("allowed_origins", "outbound_allow", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("outbound_allow")
    @classmethod
    def _are_endpoints(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for entry in value:
            host, _, port = entry.rpartition(":")
            if not host or not port.isdecimal() or not 0 < int(port) < 65_536:
                raise ValueError(f"must be a list of host:port, {entry!r} is none")
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        toml = TomlConfigSettingsSource(settings_cls, os.environ.get("HUB_CONFIG") or None)
        return init_settings, env_settings, toml

    @property
    def address(self) -> str:
        """Where bots answer: the public URL, else the address it listens on."""
        return (self.public_url or f"http://{self.host}:{self.port}").rstrip("/")

    @property
    def database(self) -> str:
        """The database's URL: SQLite in the data directory unless one is set."""
        return self.database_url or f"sqlite:///{self.data_dir.absolute() / 'hub.db'}"


def load(**overrides: Any) -> Settings:
    """Read the settings; SettingsError names the first that is wrong.

    `overrides` (the command line) win over the environment, that over the file.
    """
    path = os.environ.get("HUB_CONFIG")
    if path and not Path(path).is_file():
        raise SettingsError(f"HUB_CONFIG: there is no file {path}")
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        return Settings(**given)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"HUB_CONFIG: {path} is not valid TOML: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        variable = f"HUB_{name.upper()}, " if len(first["loc"]) == 1 else ""
        raise SettingsError(f"{variable}setting {name}: {first['msg']}") from None
