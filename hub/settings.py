"""The settings of a hub: the only reader of the environment, one frozen object."""

from __future__ import annotations

import math
import os
import re
import tomllib
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Delay = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_MANY_HOSTS: Final = ("redis+sentinel", "rediss+sentinel", "redis+cluster", "rediss+cluster")
_TOKEN: Final = re.compile(r"[!-~]{16,}")
_SECRET_BYTES: Final = 32
_KEY_PAIR: Final = re.compile(r"\s*(-----BEGIN|\{|ssh-|ecdsa-)")
_ORIGIN: Final = re.compile(r"https?://[^/?#@\s]+")


def _many_hosts(url: str) -> str:
    """A URL of sentinels or of a cluster, which urlsplit cannot take apart: many hosts."""
    scheme, _, rest = url.partition("://")
    hosts, _, path = rest.partition("?")[0].rpartition("@")[2].partition("/")
    master, slash, database = path.partition("/")
    try:
        named = all(urlsplit(f"//{host}").port != 0 and host for host in hosts.split(","))
    except ValueError:
        named = False
    if scheme.endswith("+cluster"):
        if not named or path:
            raise ValueError("must be like redis+cluster://host:6379,host2:6379 (no database)")
    elif not named or not master or (slash and not database.isdecimal()):
        raise ValueError("must be like redis+sentinel://host:26379,host2:26379/mymaster")
    return url


def _is_safe_url(url: str) -> bool:
    """Whether what comes from there is what was sent: https, or http without leaving the
    machine. Log-ins and fragments are none of it."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        named = bool(host) and parts.port != 0
    except ValueError:
        return False
    plain = parts.scheme == "http" and (host == "localhost" or _is_loopback(host))
    clean = "@" not in parts.netloc and not parts.fragment and url.isprintable() and " " not in url
    return named and clean and (plain or parts.scheme == "https")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


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
    alternating: bool = False
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

    lease_s: Seconds = 15.0
    lease_renew_s: Seconds = 5.0
    sweep_s: Seconds = 5.0
    run_deadline_s: Seconds = 120.0
    agent_deadline_s: Seconds = 600.0
    person_wait_s: Seconds = 86_400.0
    depth_cap: int = Field(6, ge=1)
    replies_cap: int = Field(12, ge=1)
    exchanges_cap: int = Field(10, ge=1)
    budget_runs: int | None = Field(None, ge=1)
    budget_tokens: int | None = Field(None, ge=1)
    budget_seconds: int | None = Field(None, ge=1)
    delta_flush_s: Seconds = 0.04
    heartbeat_s: Seconds = 25.0
    head_check_s: Seconds = 5.0
    unsubscribe_delay_s: Delay = 10.0
    presence_tick_s: Seconds = 0.5
    presence_lease_s: Seconds = 15.0
    head_s: Seconds = 10.0
    body_s: Seconds = 30.0
    stalled_s: Seconds = 20.0
    pending_bytes: int = Field(1_048_576, ge=1)
    pending_total_bytes: int = Field(268_435_456, ge=1)
    ws_deflate: bool = False
    commands_per_s: int = Field(5_000, ge=1)
    max_connections: int = Field(20_000, ge=1)
    connections_per_key: int = Field(1_000, ge=1)
    strangers_per_address: int = Field(500, ge=1)
    drain_s: Delay = 15.0
    worker_runs: int = Field(256, ge=1)
    metrics_port: int | None = Field(None, ge=0, le=65_535)
    metrics_token: str | None = None
    jwt_secret: str | None = None
    jwt_issuer: str | None = None
    jwt_audience: str | None = None
    jwt_jwks_url: str | None = None

    @field_validator("redis_url")
    @classmethod
    def _is_redis(cls, value: str | None) -> str | None:
        if value and value.partition("://")[0] in _MANY_HOSTS:
            return _many_hosts(value)
        if value and not value.startswith(("redis://", "rediss://", "unix://")):
            raise ValueError(
                "must begin with redis://, rediss://, unix://, redis+sentinel:// or redis+cluster://"
            )
        try:
            _ = urlsplit(value or "").port
        except ValueError:
            raise ValueError("the port must be a number up to 65535") from None
        return value or None

    @field_validator("redis_prefix")
    @classmethod
    def _is_a_prefix(cls, value: str) -> str:
        if not re.fullmatch(r"[^\s{}]+", value):
            raise ValueError("must have no spaces, and no braces, which decide where keys are")
        return value

    @field_validator("allowed_origins")
    @classmethod
    def _are_origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for entry in value:
            if not _ORIGIN.fullmatch(entry):
                raise ValueError(f"must be a list like https://chat.example, {entry!r} is none")
        return value

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

    @field_validator("metrics_token")
    @classmethod
    def _is_a_token(cls, value: str | None) -> str | None:
        if value and not _TOKEN.fullmatch(value):
            raise ValueError("must be at least 16 letters, digits or signs, without spaces")
        return value or None

    @field_validator("jwt_secret")
    @classmethod
    def _is_a_secret(cls, value: str | None) -> str | None:
        if value and len(value.encode()) < _SECRET_BYTES:
            raise ValueError(f"must be at least {_SECRET_BYTES} bytes of random text")
        if value and _KEY_PAIR.match(value):
            raise ValueError("must be random text that is shared, not a key or a certificate")
        return value or None

    @field_validator("jwt_issuer", "jwt_audience")
    @classmethod
    def _is_named(cls, value: str | None) -> str | None:
        if value and value != value.strip():
            raise ValueError("must have no spaces around it")
        return value or None

    @field_validator("jwt_jwks_url")
    @classmethod
    def _is_of_keys(cls, value: str | None, others: ValidationInfo) -> str | None:
        if not value:
            return None
        if not _is_safe_url(value):
            raise ValueError("must be like https://id.example/jwks (http on this machine alone)")
        for name, claim in (("jwt_issuer", "iss"), ("jwt_audience", "aud")):
            if not others.data.get(name, "wrong"):
                raise ValueError(
                    f"needs HUB_{name.upper()} too: who has these keys may sign tokens for others,"
                    f" and that is the {claim} of those for this hub"
                )
        return value

    @field_validator("lease_renew_s")
    @classmethod
    def _renews_in_time(cls, value: float, others: ValidationInfo) -> float:
        if value >= others.data.get("lease_s", math.inf):
            raise ValueError("must be less than HUB_LEASE_S, or every lease is lost")
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
    def token_audience(self) -> str:
        """Whom a token must be for (aud)."""
        return self.jwt_audience or "roomhub"

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
    except OSError as error:
        raise SettingsError(f"HUB_CONFIG: {path} cannot be read ({error.strerror})") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"HUB_CONFIG: {path} is not valid TOML: {error}") from None
    except ValidationError as error:
        raise SettingsError(_sentence(error.errors()[0], path)) from None


def _sentence(error: ErrorDetails, path: str | None) -> str:
    """What is wrong with one setting."""
    name = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        return f"HUB_CONFIG: {path}: there is no setting {name}"
    variable = f"HUB_{name.upper()}, " if len(error["loc"]) == 1 else ""
    return f"{variable}setting {name}: {error['msg'].removeprefix('Value error, ')}"


def unread(settings: Settings) -> list[str]:
    """The HUB_ variables of the environment that nothing reads: misspelt ones, mostly."""
    read = {f"HUB_{name.upper()}" for name in Settings.model_fields} | {"HUB_CONFIG"}
    read.update(name for model in settings.models.values() for name in model.api_key_env)
    return sorted(n for n in os.environ if n.startswith("HUB_") and n not in read)
