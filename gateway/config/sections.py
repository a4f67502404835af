"""Every setting in its one home: name, type, bounds, default and meaning."""

import re
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from gateway.config import checks
from gateway.config.origins import Origins

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

HttpUrl = Annotated[str | None, AfterValidator(checks.http_url)]
Timeout = Annotated[float, Field(gt=0, le=3600)]
Limit = Annotated[int | None, Field(ge=1, le=10**15)]
MOST_BUDGET = 9 * 10**6
"""Dollars. A budget is counted in billionths, and no counter goes beyond 2**53."""
Budget = Annotated[Decimal | None, Field(ge=0, le=MOST_BUDGET)]


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
    url: Annotated[str | None, AfterValidator(checks.database_url)] = Field(
        default=None,
        repr=False,
        description="a postgresql:// or sqlite:/// address; null is gateway.db in data_dir",
    )


class Redis(Section):
    url: Annotated[str | None, AfterValidator(checks.redis_url)] = Field(
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
    token: Annotated[SecretStr | None, AfterValidator(checks.admin_token)] = Field(
        default=None,
        description="the bearer token of the admin API, 32 characters or more; null is off",
    )
    session_hours: int = Field(default=12, ge=1, le=8760, description="hours that a sign-in lasts")
    sign_in_per_minute: int = Field(
        default=10,
        ge=1,
        le=10_000,
        description="failed sign-ins, per address and minute, before 429; "
        "all workers count together",
    )
    test_timeout: Timeout = Field(
        default=30.0, description="seconds that each probe of a connection test may take"
    )


class Oidc(Section):
    """Who may come in by an OpenID Connect provider, and as what."""

    issuer: Annotated[str | None, AfterValidator(checks.issuer)] = Field(
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
    public_url: Annotated[str | None, AfterValidator(checks.origin)] = Field(
        default=None,
        description="the gateway's address as browsers know it; null is as they ask for it",
    )
    allowed_domains: Annotated[list[str], AfterValidator(checks.domains)] = Field(
        default=[], description="domains whose e-mail addresses come in, as viewers"
    )
    allowed_emails: Annotated[list[str], AfterValidator(checks.emails)] = Field(
        default=[], description="e-mail addresses that come in, as viewers"
    )
    admins: Annotated[list[str], AfterValidator(checks.emails)] = Field(
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
        if self.issuer is None or not checks.is_email(email):
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
        description="calls without a valid key, per address and minute, before 429; "
        "each worker counts alone",
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
        Path | None, AfterValidator(checks.below_root), AfterValidator(checks.existing_file)
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
    ports: Annotated[list[int], AfterValidator(checks.ports)] = Field(
        default=[80, 443], description="the ports that may be asked"
    )
    allow: Annotated[list[str], AfterValidator(checks.hosts_and_networks)] = Field(
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
    name: Annotated[str, AfterValidator(checks.server_name)] = Field(
        description="begins the names of its tools: `name__tool`"
    )
    url: Annotated[str, AfterValidator(checks.mcp_url)] = Field(
        repr=False, description="its address for streamable HTTP; it may be a private one"
    )
    headers: Annotated[dict[str, SecretStr], AfterValidator(checks.headers)] = Field(
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
    modules: Annotated[list[str], AfterValidator(checks.existing_files)] = Field(
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
    api_key: Annotated[SecretStr | None, AfterValidator(checks.header_text)] = Field(
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
    data_dir: Annotated[Path, AfterValidator(checks.below_root)] = Field(
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
