"""The settings: config.yaml and the environment over it, read once, checked, frozen.

Each setting has its one home here: name, type, bounds, default and meaning. config.yaml and
docs/configuration.md repeat them for people; tests hold both to this file.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from ipaddress import ip_network
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin
from urllib.parse import urlsplit

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticCustomError

ROOT = Path(__file__).resolve().parent.parent

PROVIDER_IDS = (
    "gemini",
    "anthropic",
    "openai",
    "azure-openai",
    "mistral",
    "ollama",
    "lmstudio",
    "perplexity",
    "xai",
    "cohere",
    "openrouter",
    "groq",
    "deepseek",
    "vllm",
    "openai-compatible",
    "demo",
)

ENVIRONMENT = {
    "GATEWAY_DATA_DIR": "data_dir",
    "GATEWAY_SECRET_KEY": "secret_key",
    "GATEWAY_ADMIN_PASSWORD": "admin.password",
    "GATEWAY_ADMIN_TOKEN": "admin.token",
    "DATABASE_URL": "database.url",
    "REDIS_URL": "redis.url",
    "HOST": "server.host",
    "PORT": "server.port",
    "WEB_CONCURRENCY": "server.workers",
}
"""Variables that win over the file, and the setting that each one sets."""

Key = tuple[int | str, ...]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value comes from; `admin`: it was set while the gateway runs.

    `variables`: the one that sets it, or those that the file's text names as `${…}`.
    """

    kind: Literal["default", "file", "environment", "admin"]
    variables: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Origins:
    """Of all settings of one start, by dotted key; two settings are the same without them."""

    file: Path | None = field(default=None, compare=False)
    by_key: Mapping[str, Origin] = field(default_factory=dict, compare=False)

    def of(self, key: str) -> Origin:
        return self.by_key.get(key, _UNSAID)


_UNSAID = Origin("default")


class ConfigError(Exception):
    """One line per wrong setting: file or `environment`, key, value, what is accepted."""

    def __init__(self, *lines: str) -> None:
        super().__init__("\n".join(lines))


def load(environ: Mapping[str, str] | None = None, path: Path | None = None) -> "Settings":
    """Read the environment and `path`, else GATEWAY_CONFIG, else config.yaml beside app.py.

    Only the last of these files may be missing. Raises ConfigError.
    """
    environ = os.environ if environ is None else environ
    named = path or (Path(environ["GATEWAY_CONFIG"]) if environ.get("GATEWAY_CONFIG") else None)
    return _Source(named or ROOT / "config.yaml", environ).settings(required=named is not None)


# The types of settings.


def _http_url(value: str | None) -> str | None:
    if value is not None and not _HTTP_URL.fullmatch(value):
        raise ValueError("an http:// or https:// address without a query")
    return value


def _database_url(value: str | None) -> str | None:
    if value is not None and not value.startswith(_DATABASES):
        raise ValueError("a postgresql:// or sqlite:/// address")
    return value


def _redis_url(value: str | None) -> str | None:
    if value is not None and not re.fullmatch(r"(rediss?|unix)://\S+", value):
        raise ValueError("a redis:// or rediss:// address")
    return value


def _header_text(value: SecretStr | None) -> SecretStr | None:
    """A key with a stray line end would otherwise fail only when it is first sent."""
    if value is not None and not re.fullmatch(r"[!-~]+", value.get_secret_value()):
        raise ValueError("ASCII text without blanks")
    return value


def _admin_token(value: SecretStr | None) -> SecretStr | None:
    if value is not None and not re.fullmatch(r"[!-~]{32,}", value.get_secret_value()):
        raise ValueError("ASCII text of 32 or more characters without blanks")
    return value


def _below_root(value: Path | None) -> Path | None:
    if value is not None and "\0" in str(value):
        raise ValueError("a path")
    return None if value is None else ROOT / value


def _existing_file(value: Path | None) -> Path | None:
    if value is not None and not os.path.isfile(value):
        raise ValueError("the path of an existing file")
    return value


def _ports(values: list[int]) -> list[int]:
    if not all(1 <= value <= 65535 for value in values):
        raise ValueError("a list of whole numbers from 1 to 65535")
    return values


def _hosts_and_networks(values: list[str]) -> list[str]:
    for value in values:
        if not _HOST.fullmatch(value) and not _is_network(value):
            raise ValueError("a list of names of hosts, addresses and networks such as 10.0.0.0/8")
    return values


def _is_network(value: str) -> bool:
    try:
        ip_network(value)
    except ValueError:
        return False
    return True


_HOST = re.compile(r"(?=.*[a-z])[a-z0-9_-]+(\.[a-z0-9_-]+)*", re.I)
_HTTP_URL = re.compile(
    r"https?://([^\s/?#@]+@)?(\[[0-9a-f:.]+\]|[^\s/?#@:\[\]]+)(:\d{1,5})?(/[^\s?#]*)?", re.I
)
_DATABASES = ("postgres://", "postgresql://", "postgresql+psycopg://", "sqlite:///")


def _mcp_url(value: str) -> str:
    if not _HTTP_URL.fullmatch(value.partition("?")[0]) or re.search(r"[@#\s]", value):
        raise ValueError("an http:// or https:// address without a user")
    return value


def _server_name(value: str) -> str:
    if not re.fullmatch(r"[a-zA-Z0-9-]{1,30}", value):
        raise ValueError("1 to 30 letters, digits and -")
    return value


def _headers(values: dict[str, SecretStr]) -> dict[str, SecretStr]:
    for name, value in values.items():
        plain = re.fullmatch(r"[ -~]*", value.get_secret_value())
        if not re.fullmatch(r"[A-Za-z0-9-]{1,100}", name) or not plain:
            raise ValueError("names of letters, digits and -, with values in ASCII,")
    return values


def _existing_files(values: list[str]) -> list[str]:
    for value in values:
        if "\0" in value or not os.path.isfile(ROOT / value):
            raise ValueError("a list of paths of existing files")
    return values


def _issuer(value: str | None) -> str | None:
    """Who can change what comes from there can sign in as anybody."""
    if value is None:
        return None
    plain = _HTTP_URL.fullmatch(value) and "@" not in value
    if not plain or not (value.startswith("https://") or _LOOPBACK_URL.match(value)):
        raise ValueError("an https:// address (http:// on this machine alone)")
    return value


def _origin(value: str | None) -> str | None:
    if value is not None and not re.fullmatch(r"https?://[^\s/?#@]+/?", value):
        raise ValueError("an http:// or https:// address without a path")
    return value and value.rstrip("/")


def _emails(values: list[str]) -> list[str]:
    for value in values:
        if not _EMAIL.fullmatch(value):
            raise ValueError("a list of e-mail addresses")
    return [value.lower() for value in values]


def _domains(values: list[str]) -> list[str]:
    for value in values:
        if not _DOMAIN.fullmatch(value):
            raise ValueError("a list of domains such as example.com")
    return [value.lower() for value in values]


_LOOPBACK_URL = re.compile(r"http://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?(/|$)", re.I)
_DOMAIN = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*", re.I | re.A)
_EMAIL = re.compile(r"[^@\s\x00-\x1f\x7f-\U0010ffff]{1,64}@[a-z0-9-]+(\.[a-z0-9-]+)*", re.I | re.A)

HttpUrl = Annotated[str | None, AfterValidator(_http_url)]
Timeout = Annotated[float, Field(gt=0, le=3600)]
Limit = Annotated[int | None, Field(ge=1, le=10**15)]
Budget = Annotated[Decimal | None, Field(ge=0, le=10**9)]


class Section(BaseModel):
    """Some settings under one name; a field with repr=False may hold a secret, so is not shown."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        validate_default=True,
        allow_inf_nan=False,
        str_min_length=1,
        hide_input_in_errors=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _nothing_written_is_all_defaults(cls, value: Any) -> Any:
        return {} if value is None else value

    @field_validator("*", mode="before")
    @classmethod
    def _empty_text_is_null_and_a_truth_is_no_number(cls, value: Any, info: ValidationInfo) -> Any:
        field = cls.model_fields[info.field_name or ""]
        if isinstance(value, bool) and field.annotation is not bool:
            raise PydanticCustomError("not_a_truth", "neither true nor false")
        return None if value == "" else value


class Server(Section):
    host: str = Field(default="127.0.0.1", description="the address to listen on")
    port: int = Field(default=8090, ge=1, le=65535, description="the port to listen on")
    workers: int = Field(default=1, ge=1, le=64, description="worker processes")
    graceful_timeout: int = Field(
        default=30,
        ge=1,
        le=3600,
        description="seconds that open calls may still take after SIGTERM",
    )
    client_timeout: int = Field(
        default=60,
        ge=1,
        le=3600,
        description="seconds after which a client that neither reads nor sends is let go",
    )
    max_body_mb: int = Field(
        default=10, ge=1, le=1024, description="the largest body of a request, in MB"
    )
    worker_connections: int = Field(
        default=2000, ge=1, le=100_000, description="connections that one worker holds at once"
    )
    trusted_proxies: int = Field(
        default=0,
        ge=0,
        le=10,
        description="reverse proxies in front whose X-Forwarded-* is believed",
    )


class Database(Section):
    url: Annotated[str | None, AfterValidator(_database_url)] = Field(
        default=None,
        repr=False,
        description="a postgresql:// or sqlite:/// address; null is gateway.db in data_dir",
    )


class Redis(Section):
    url: Annotated[str | None, AfterValidator(_redis_url)] = Field(
        default=None,
        repr=False,
        description="a redis:// or rediss:// address; null counts in a file in data_dir",
    )


class Limits(Section):
    default_output_reservation: int = Field(
        default=4096,
        ge=16,
        le=10**9,
        description="the output tokens that a call under a limit reserves, and is capped at, if it "
        "asks for no cap itself",
    )


class Admin(Section):
    password: SecretStr | None = Field(
        default=None, description="the first admin's password; null makes one up and prints it once"
    )
    token: Annotated[SecretStr | None, AfterValidator(_admin_token)] = Field(
        default=None,
        description="the bearer token of the admin API, 32 characters or more; null is off",
    )
    session_hours: int = Field(default=12, ge=1, le=8760, description="hours that a sign-in lasts")
    sign_in_per_minute: int = Field(
        default=10, ge=1, le=10_000, description="attempts to sign in, per address and minute"
    )
    test_timeout: Timeout = Field(
        default=30.0, description="seconds that each probe of a connection test may take"
    )


class Oidc(Section):
    """Who may come in by an OpenID Connect provider, and as what."""

    issuer: Annotated[str | None, AfterValidator(_issuer)] = Field(
        default=None, description="the provider's address, as it calls itself; null is off"
    )
    client_id: str | None = Field(
        default=None, description="what the gateway is called there; goes with issuer"
    )
    client_secret: SecretStr | None = Field(
        default=None, description="the gateway's secret there; goes with issuer"
    )
    name: str | None = Field(
        default=None,
        description="what the button calls the provider; null is the issuer's host",
    )
    public_url: Annotated[str | None, AfterValidator(_origin)] = Field(
        default=None,
        description="the gateway's address as browsers know it; null is as they ask for it",
    )
    allowed_domains: Annotated[list[str], AfterValidator(_domains)] = Field(
        default=[], description="domains whose e-mail addresses come in, as viewers"
    )
    allowed_emails: Annotated[list[str], AfterValidator(_emails)] = Field(
        default=[], description="e-mail addresses that come in, as viewers"
    )
    admins: Annotated[list[str], AfterValidator(_emails)] = Field(
        default=[], description="e-mail addresses that come in with the role admin"
    )

    @field_validator("client_id", "client_secret")
    @classmethod
    def _with_an_issuer(cls, value: Any, info: ValidationInfo) -> Any:
        if "issuer" in info.data and (value is None) != (info.data["issuer"] is None):
            raise ValueError(f"a {info.field_name} with an issuer, or neither,")
        return value

    @field_validator("admins")
    @classmethod
    def _somebody_may_come(cls, value: list[str], info: ValidationInfo) -> list[str]:
        listed = value or info.data.get("allowed_domains") or info.data.get("allowed_emails")
        if info.data.get("issuer") and not listed:
            raise ValueError(
                "somebody who may come in (here, in allowed_domains or in allowed_emails)"
            )
        return value

    @property
    def button(self) -> str | None:
        """What the sign-in page calls the provider; None if there is none."""
        return self.issuer and (self.name or urlsplit(self.issuer).hostname)

    def role_of(self, email: str) -> str | None:
        """The role of who has this address; None for who may not come in."""
        if self.issuer is None or not _EMAIL.fullmatch(email):
            return None
        email = email.lower()
        if email in self.admins:
            return "admin"
        listed = email in self.allowed_emails or email.partition("@")[2] in self.allowed_domains
        return "viewer" if listed else None


class Docs(Section):
    public: bool = Field(
        default=False, description="whether /docs and /openapi.json need no sign-in"
    )


class Access(Section):
    keyless_per_minute: int = Field(
        default=60,
        ge=1,
        le=1_000_000,
        description="calls without a valid key, per address and minute, before 429",
    )


class Upstream(Section):
    connect_timeout: Timeout = Field(default=5.0, description="seconds to connect to a provider")
    first_byte_timeout: Timeout = Field(
        default=120.0, description="seconds to wait for the first byte of an answer"
    )
    idle_timeout: Timeout = Field(default=60.0, description="seconds of silence within an answer")
    head_wait: Timeout = Field(
        default=30.0,
        description="seconds after which a stream's head goes out without a first event",
    )
    keepalive_interval: Timeout = Field(
        default=15.0,
        description="seconds of silence after which a client's stream gets a keep-alive",
    )
    max_retries: int = Field(default=2, ge=0, le=10, description="further tries at each target")
    max_retry_delay: float = Field(
        default=10.0, ge=0, le=600, description="the longest wait, in seconds, for a Retry-After"
    )
    max_connections: int = Field(
        default=1000, ge=1, le=100_000, description="connections to one provider's host, per worker"
    )
    max_event_mb: int = Field(
        default=16, ge=1, le=1024, description="the largest stream event, in MB"
    )
    max_answer_mb: int = Field(
        default=64, ge=1, le=4096, description="the largest whole answer, in MB"
    )
    models_cache_seconds: int = Field(
        default=300, ge=0, le=86_400, description="seconds that a provider's list of models is kept"
    )
    proxy: HttpUrl = Field(
        default=None, repr=False, description="the address of an outbound HTTP proxy; null is none"
    )
    ca_bundle: Annotated[
        Path | None, AfterValidator(_below_root), AfterValidator(_existing_file)
    ] = Field(
        default=None,
        description="a file of certificate authorities to trust; null is the usual ones",
    )


class Fetch(Section):
    enabled: bool = Field(
        default=True,
        description="whether media are fetched for providers that take no addresses",
    )
    max_mb: int = Field(
        default=20, ge=1, le=1024, description="the most that one question's media may hold, in MB"
    )
    max_files: int = Field(
        default=10, ge=1, le=100, description="the most addresses that one question may name"
    )
    timeout: Timeout = Field(default=10.0, description="seconds until everything has been fetched")
    ports: Annotated[list[int], AfterValidator(_ports)] = Field(
        default=[80, 443], description="the ports that may be asked"
    )
    allow: Annotated[list[str], AfterValidator(_hosts_and_networks)] = Field(
        default=[],
        description="hosts and networks (CIDR) that may be fetched from although they are private",
    )


class Breaker(Section):
    failures: int = Field(
        default=5,
        ge=1,
        le=1_000_000,
        description="calls that fail in a row, after all tries, before a target is passed over",
    )
    pause: Timeout = Field(
        default=30.0, description="seconds until one call tries such a target again"
    )


class Logging(Section):
    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="the least severity that is logged: debug, info, warning, error"
    )
    batch_ms: int = Field(
        default=250,
        ge=1,
        le=60_000,
        description="milliseconds after which request rows are written",
    )
    batch_rows: int = Field(
        default=500, ge=1, le=10_000, description="rows that are written at once"
    )
    memory_rows: int = Field(
        default=10_000,
        ge=1,
        le=10_000_000,
        description="rows kept in memory while the database is away",
    )
    spool_mb: int = Field(
        default=256,
        ge=1,
        le=1_000_000,
        description="MB of rows that each worker keeps in data_dir/spool when memory is full",
    )
    retention_days: int | None = Field(
        default=90,
        ge=1,
        le=36_500,
        description="days that request rows and bodies are kept; null is for ever",
    )
    max_body_kb: int = Field(
        default=64,
        ge=1,
        le=10_000,
        description="KB of a question and of an answer that are kept where log_bodies says so",
    )


class State(Section):
    ttl_hours: float = Field(
        default=168.0,
        gt=0,
        le=8760,
        description="hours that it is kept after it was last used",
    )
    max_entries_per_client: int = Field(
        default=20_000,
        ge=1,
        le=10_000_000,
        description="entries of one client; above it, the oldest go",
    )
    max_mb_per_client: int = Field(
        default=128, ge=1, le=102_400, description="the same in MB, as encrypted"
    )
    max_value_mb: int = Field(
        default=16, ge=1, le=1024, description="the largest entry, in MB; a larger one is not kept"
    )


class McpServer(Section):
    name: Annotated[str, AfterValidator(_server_name)] = Field(
        description="begins the names of its tools: `name__tool`"
    )
    url: Annotated[str, AfterValidator(_mcp_url)] = Field(
        repr=False, description="its address for streamable HTTP; it may be a private one"
    )
    headers: Annotated[dict[str, SecretStr], AfterValidator(_headers)] = Field(
        default={}, description="sent with each request, such as `Authorization`"
    )
    allowed_tools: list[str] = Field(
        default=[], description="its own names of the tools that may be used; none listed means all"
    )

    @field_validator("headers", "allowed_tools", mode="before")
    @classmethod
    def _none_written(cls, value: Any, info: ValidationInfo) -> Any:
        return cls.model_fields[info.field_name or ""].default if value is None else value


def _of_different_names(values: list[McpServer]) -> list[McpServer]:
    if len({value.name.lower() for value in values}) < len(values):
        raise ValueError("a list of servers with different names")
    return values


class Tools(Section):
    enabled: list[str] = Field(
        default=[],
        description="tools that are on until the admin API says which; `*` at an end is any end",
    )
    max_rounds: int = Field(
        default=5,
        ge=1,
        le=100,
        description="times that a model is asked in one call; the last time without tools",
    )
    timeout: Timeout = Field(default=20.0, description="seconds that the tools of a round may take")
    max_result_kb: int = Field(
        default=64, ge=1, le=10_240, description="the most of a result that a model is told, in kB"
    )
    max_parallel: int = Field(
        default=8, ge=1, le=1000, description="tools of one round that run at the same time"
    )
    modules: Annotated[list[str], AfterValidator(_existing_files)] = Field(
        default=[], description="Python files with tools of your own; relative to app.py's folder"
    )
    mcp_servers: Annotated[list[McpServer], AfterValidator(_of_different_names)] = Field(
        default=[], description="servers of the Model Context Protocol, whose tools are added"
    )


class Metrics(Section):
    enabled: bool = Field(default=True, description="whether GET /metrics answers")
    username: str | None = Field(
        default=None, description="basic auth for /metrics; without it, only loopback is answered"
    )
    password: SecretStr | None = Field(
        default=None, description="goes with username: both or neither"
    )

    @field_validator("username")
    @classmethod
    def _fit_for_basic_auth(cls, value: str | None) -> str | None:
        if value is not None and ":" in value:
            raise ValueError("a name without a colon")
        return value

    @field_validator("password")
    @classmethod
    def _both_or_neither(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if "username" in info.data and (value is None) != (info.data["username"] is None):
            raise ValueError("a password with a username, or neither,")
        return value


class Demo(Section):
    tokens_per_second: float = Field(
        default=50.0,
        ge=0,
        le=1_000_000,
        description="the demo provider's pace in streams; 0 is no pause",
    )


class Defaults(Section):
    """Limits of a new client that names none of its own."""

    rate_limit_minute: Limit = Field(
        default=None, description="requests a minute; null is no limit"
    )
    rate_limit_hour: Limit = Field(default=None, description="requests an hour")
    rate_limit_day: Limit = Field(default=None, description="requests a day")
    tokens_per_minute: Limit = Field(default=None, description="tokens a minute, input and output")
    max_concurrent: Limit = Field(default=None, description="calls at the same time")
    quota_requests_day: Limit = Field(default=None, description="quota of requests a day (UTC)")
    quota_input_tokens_day: Limit = Field(default=None, description="quota of input tokens a day")
    quota_output_tokens_day: Limit = Field(default=None, description="quota of output tokens a day")
    max_input_tokens: Limit = Field(default=None, description="input tokens of one call")
    max_output_tokens: Limit = Field(default=None, description="output tokens of one call")
    budget_usd_day: Budget = Field(default=None, description="US dollars a day")
    budget_usd_month: Budget = Field(default=None, description="US dollars a month")


class ProviderCredentials(Section):
    api_key: Annotated[SecretStr | None, AfterValidator(_header_text)] = Field(
        default=None, description="the gateway's key at this provider"
    )
    base_url: HttpUrl = Field(
        default=None, repr=False, description="null is the provider's usual address"
    )
    api_version: str | None = Field(
        default=None, description="for providers that want one (azure-openai)"
    )


Rate = Annotated[Decimal | None, Field(ge=0, le=10**9)]


class PriceOverride(Section):
    """What one model costs, in place of what the bundled price list says of it."""

    input: Rate = Field(
        default=None, description="US dollars per million input tokens; null is the bundled price"
    )
    output: Rate = Field(default=None, description="per million output tokens")
    cached_input: Rate = Field(
        default=None, description="per million tokens read from a cache; null is as input"
    )
    cache_write: Rate = Field(
        default=None, description="per million tokens written to a cache; null is as input"
    )
    cache_write_1h: Rate = Field(
        default=None, description="those that are kept for an hour; null is as cache_write"
    )
    input_audio: Rate = Field(
        default=None, description="per million tokens of audio heard; null is as input"
    )
    output_audio: Rate = Field(
        default=None, description="per million tokens of audio spoken; null is as output"
    )
    requests: Rate = Field(default=None, description="US dollars per thousand requests")
    context_window: Limit = Field(
        default=None, description="the most input tokens; null is what the bundled list says"
    )
    max_output: Limit = Field(default=None, description="the most output tokens, where known")

    @model_validator(mode="after")
    def _input_comes_first(self) -> "PriceOverride":
        rates = (self.output, self.cached_input, self.cache_write, self.cache_write_1h)
        rest = (*rates, self.input_audio, self.output_audio, self.requests)
        if self.input is None and any(rate is not None for rate in rest):
            raise ValueError("a price with its `input`")
        return self


def _known_provider(value: str) -> str:
    if value not in PROVIDER_IDS:
        raise ValueError("a known provider")
    return value


class Settings(Section):
    data_dir: Annotated[Path, AfterValidator(_below_root)] = Field(
        default=Path("data"),
        description="the folder of all that is kept; relative to app.py's folder",
    )
    secret_key: SecretStr | None = Field(
        default=None,
        description="encrypts stored keys and signs sessions; null is a file in data_dir",
    )
    server: Server = Field(default=Server(), description="how the gateway listens")
    database: Database = Field(default=Database(), description="where clients and the log are kept")
    redis: Redis = Field(default=Redis(), description="where limits are counted over several boxes")
    limits: Limits = Field(default=Limits(), description="how clients' limits are kept")
    admin: Admin = Field(default=Admin(), description="the admin pages and the admin API")
    oidc: Oidc = Field(default=Oidc(), description="sign-in by an OpenID Connect provider")
    docs: Docs = Field(default=Docs(), description="the documentation of the API")
    access: Access = Field(default=Access(), description="callers without a valid key")
    upstream: Upstream = Field(default=Upstream(), description="calls to the providers")
    fetch: Fetch = Field(default=Fetch(), description="media that a question names by address")
    breaker: Breaker = Field(
        default=Breaker(), description="targets that keep failing, where there are others"
    )
    logging: Logging = Field(default=Logging(), description="the process's log and the request log")
    state: State = Field(
        default=State(), description="what is kept for clients: thoughts' signatures, responses"
    )
    tools: Tools = Field(default=Tools(), description="what the gateway can run for a model")
    metrics: Metrics = Field(default=Metrics(), description="GET /metrics, for Prometheus")
    demo: Demo = Field(default=Demo(), description="the offline demo provider")
    defaults: Defaults = Field(
        default=Defaults(), description="limits of a new client that names none of its own"
    )
    providers: dict[Annotated[str, AfterValidator(_known_provider)], ProviderCredentials] = Field(
        default={}, description="the gateway's own credentials, by provider"
    )
    prices: dict[
        Annotated[str, AfterValidator(_known_provider)], dict[str, PriceOverride] | None
    ] = Field(
        default={}, description="prices in place of the bundled list's, by provider and model"
    )

    _origins: Origins = PrivateAttr(default=Origins())

    @field_validator("providers", "prices", mode="before")
    @classmethod
    def _none_written(cls, value: Any) -> Any:
        return {} if value is None else value

    @property
    def origins(self) -> Origins:
        return self._origins

    @property
    def database_url(self) -> str:
        """The address for SQLAlchemy, driver named."""
        if self.database.url is None:
            return f"sqlite:///{self.data_dir / 'gateway.db'}"
        return re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", self.database.url)


class _Source:
    """Where the settings of one start come from, so that an error can say it."""

    def __init__(self, path: Path, environ: Mapping[str, str]) -> None:
        self.path = path
        self.file = path.name if path.parent == ROOT else str(path)
        self.environ = environ
        self.written: dict[Any, Any] = {}
        self.unfilled: dict[Key, str] = {}

    def settings(self, required: bool) -> Settings:
        self.written = self._read(required)
        lines: list[str] = []
        try:
            settings = Settings.model_validate(self._overridden(self._filled(self.written, ())))
        except ValidationError as error:
            found = error.errors(include_url=False)
            lines = [self._line(one) for one in found if one["loc"] not in self.unfilled]
        if lines or self.unfilled:
            raise ConfigError(*self.unfilled.values(), *lines)
        settings._origins = Origins(self.path, dict(self._origins()))
        return settings

    def _read(self, required: bool) -> dict[Any, Any]:
        try:
            value = _parsed(self.path.read_text(encoding="utf-8-sig"))
        except OSError as error:
            if isinstance(error, FileNotFoundError) and not required:
                return {}
            raise ConfigError(f"{self.file}: {error.strerror}") from None
        except ValueError as error:
            raise ConfigError(f"{self.file}: {error}") from None
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise ConfigError(f"{self.file}: line 1: not accepted; `name: value` lines are")
        return value

    def _filled(self, value: Any, key: Key) -> Any:
        """`value` with each ${VARIABLE} in its texts filled in; notes those that are not set."""
        if isinstance(value, dict):
            return {name: self._filled(inner, (*key, name)) for name, inner in value.items()}
        if isinstance(value, list):
            return [self._filled(inner, (*key, at)) for at, inner in enumerate(value)]
        if not isinstance(value, str):
            return value
        return _REFERENCE.sub(lambda match: self._variable(match[1], key), value)

    def _variable(self, written: str, key: Key) -> str:
        name, has_default, default = written.partition(":-")
        value = self.environ.get(name) or default
        if not value and not has_default:
            self.unfilled[key] = (
                f"{self.file}: {_dotted(key)} = {_reference(name)}: this variable is not set "
                "in the environment; a set one, or ${NAME:-default}, is accepted"
            )
        return value

    def _overridden(self, values: Any) -> Any:
        for variable, dotted in ENVIRONMENT.items():
            if value := self.environ.get(variable):
                key = dotted.split(".")
                _put(values, key[:-1], key[-1], value)
                self.unfilled.pop(tuple(key), None)
        return values

    def _origins(self) -> Iterator[tuple[str, Origin]]:
        for key, value in _leaves(self.written, ()):
            texts = json.dumps(value, default=str)
            variables = (one.partition(":-")[0] for one in _REFERENCE.findall(texts))
            yield _dotted(key), Origin("file", tuple(dict.fromkeys(variables)))
        for variable, dotted in ENVIRONMENT.items():
            if self.environ.get(variable):
                yield dotted, Origin("environment", (variable,))

    def _line(self, error: ErrorDetails) -> str:
        key = _of_the_list(error["loc"])
        if error["type"] in ("extra_forbidden", "invalid_key") or key[-1] == "[key]":
            return f"{self.file}: {_unknown(key, error)}"
        field = _section(key).model_fields.get(str(key[-1]))
        takes = accepted(field)
        if error["type"] == "value_error":
            takes = str(error["ctx"]["error"])
        return f"{self._origin(key, field)}: not accepted; {takes} is"

    def _origin(self, key: Key, field: FieldInfo | None) -> str:
        """The place of a wrong value and the value as written there, without what was filled in."""
        dotted = _dotted(key)
        for variable, target in ENVIRONMENT.items():
            if target == dotted and self.environ.get(variable):
                shown = _shown(self.environ[variable], is_open(field))
                return f"environment: {variable} = {shown} ({dotted})"
        return f"{self.file}: {dotted} = {_shown(_at(self.written, key), is_open(field))}"


# Reading YAML.


class _Loader(yaml.SafeLoader):
    """YAML without what settings have no use for: dates (an `api_version` is text), aliases."""

    yaml_implicit_resolvers = {
        first: [pair for pair in resolvers if pair[0] != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(
                None, None, "an alias (*name) is not accepted; quotes make it text", mark
            )
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                problem = f"{_printable(key.value)} stands here for the second time"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ValueError, LookupError, AttributeError):  # a value that its !!tag does not fit
            problem = "a value of another kind than it claims to be"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark) from None


def _parsed(text: str) -> Any:
    """The value that `text` holds; raises ValueError with the line of what is wrong."""
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ValueError(f"line {line}: {_without_content(error.problem or 'not YAML')}") from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ValueError(f"line {line}: a character that YAML does not allow") from None
    except RecursionError:
        raise ValueError("line 1: nested too deeply") from None


def _without_content(problem: str) -> str:
    """PyYAML's words, without what they quote of the file, which may be half a password."""
    if " tag" in problem:
        return "a tag (!name) is not accepted; quotes make it text"
    return re.split(r" ['\"](?!<)[^'\"]{2,}", problem, maxsplit=1)[0]


_REFERENCE = re.compile(r"\$\{([^}]*)\}")


def _leaves(value: Any, key: Key) -> Iterator[tuple[Key, Any]]:
    """What is written of each setting; a list is one."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _leaves(inner, (*key, name))
    elif key:
        yield key, value


def _put(values: Any, section: list[str], name: str, value: str) -> None:
    for part in section:
        if values.get(part) is None:
            values[part] = {}
        values = values[part]
    if isinstance(values, dict):
        values[name] = value


def _at(values: Any, key: Key) -> Any:
    for part in key:
        if isinstance(values, list) and isinstance(part, int):
            values = values[part] if part < len(values) else None
        else:
            values = values.get(part) if isinstance(values, dict) else None
    return values


# Wording what is wrong.


def _section(key: Key) -> type[Section]:
    """The model in which the last part of `key` is, or would be, a field."""
    if len(key) == 1:
        return Settings
    if key[0] == "providers":
        return ProviderCredentials
    if key[0] == "prices":
        return PriceOverride
    if key[:2] == _MCP_SERVERS and len(key) > 3:
        return McpServer
    section = Settings.model_fields[str(key[0])].annotation
    return section if isinstance(section, type) and issubclass(section, Section) else Settings


def _of_the_list(key: Key) -> Key:
    """The setting itself, where the key leads to one item of a list, or into a mapping."""
    if key[:2] == _MCP_SERVERS:
        return key[:4]
    fields = _section(key[:-1]).model_fields if len(key) > 2 else {}
    field = fields.get(str(key[-2])) if len(key) > 2 else None
    return key[:-1] if field is not None and get_origin(field.annotation) is list else key


def _unknown(key: Key, error: ErrorDetails) -> str:
    if key[-1] == "[key]" and len(key) > 3:
        return f"{_dotted(key[:-1])}: not accepted; a model's name as {_TEXT} is"
    if key[-1] == "[key]":
        choice = _choice(key[-2], PROVIDER_IDS, "providers")
        return f"{_dotted(key[:-1])}: no such provider; {choice}"
    fields = _section(key).model_fields
    choice = _choice(key[-1], tuple(fields), _dotted(key[:-1]) or "the file")
    if error["type"] == "invalid_key":  # its input is the key, not the value
        return f"{_dotted(key)}: no such setting; {choice}"
    value = error["input"]
    shown = not isinstance(value, str) and all(map(is_open, fields.values()))
    return f"{_dotted(key)} = {_shown(value, shown)}: no such setting; {choice}"


def _choice(name: int | str, names: tuple[str, ...], owner: str) -> str:
    from difflib import get_close_matches  # wanted only when something is wrong

    close = get_close_matches(str(name), names, 1)
    meant = f"did you mean {close[0]}? " if close else ""
    return f"{meant}{owner} has: {', '.join(names)}"


_MCP_SERVERS = ("tools", "mcp_servers")
_A_SECTION = "a section of `name: value` lines"
_TEXT = "text (in quotes if it looks like a number)"
_NOUNS: dict[Any, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    Decimal: "a number",
    Path: "a path",
    str: _TEXT,
    SecretStr: _TEXT,
}
_ITEMS: dict[Any, str] = {int: "whole numbers", str: "texts", McpServer: "sections"}


def accepted(field: FieldInfo | None) -> str:
    """What a field takes, from its type and bounds."""
    if field is None:
        return _A_SECTION
    if get_origin(field.annotation) is Literal:
        return f"one of {', '.join(_kinds(field))}"
    first, *others = _kinds(field)
    if get_origin(field.annotation) is list:
        return f"a list of {_ITEMS[first]}"
    if get_origin(field.annotation) is dict:
        return _A_SECTION
    return (
        _NOUNS.get(first, _A_SECTION)
        + _bounds(field)
        + (", or null," if NoneType in others else "")
    )


def _bounds(field: FieldInfo) -> str:
    bounds = {
        name: getattr(rule, name)
        for rule in field.metadata
        for name in ("gt", "ge", "le")
        if hasattr(rule, name)
    }
    if "gt" in bounds:
        return f" above {bounds['gt']}, at most {bounds['le']},"
    return f" from {bounds['ge']} to {bounds['le']}" if bounds else ""


def is_open(field: FieldInfo | None) -> bool:
    """Whether a value may be shown: it neither is, nor holds, nor was meant as a secret."""
    if field is None or not field.repr:
        return False
    plain = {bool, int, float, Decimal, Path, str, NoneType}
    return get_origin(field.annotation) is Literal or plain.issuperset(_kinds(field))


def _kinds(field: FieldInfo) -> tuple[Any, ...]:
    """The types that a field takes, or a Literal's values."""
    return get_args(field.annotation) or (field.annotation,)


def _shown(value: Any, is_open: bool) -> str:
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, str):
        return _quoted(value) if is_open else f"({len(value)} characters, not shown)"
    if isinstance(value, int | float):
        short = isinstance(value, float) or value.bit_length() < 100
        return str(value) if is_open and short else "(a number, not shown)"
    return "a mapping" if isinstance(value, dict) else "a list"


def _reference(name: str) -> str:
    return f'"${{{name}}}"' if re.fullmatch(r"[A-Za-z_]\w*", name, re.A) else "${…}"


def _dotted(key: Key) -> str:
    return ".".join(_printable(str(part)) for part in key)


def _printable(text: str) -> str:
    return text if text.isprintable() and len(text) <= 60 else _quoted(text)


def _quoted(text: str) -> str:
    """One line whatever the text is, and not a long one."""
    short = text if len(text) <= 60 else f"{text[:60]}…"
    return json.dumps(short, ensure_ascii=not short.isprintable())
