"""Every environment variable JOST understands: name, type, meaning; read once by each process at its start."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    ValidationError,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

# Where Docker puts them: a file named like a variable holds its value, if the variable is unset or empty.
SECRETS = Path("/run/secrets")

REDIS_SCHEMES = ("redis", "rediss", "redis+socket", "unix")
BROKER_SCHEMES = ("redis", "rediss", "redis+socket", "sentinel", "amqp", "amqps", "memory")
MAIL_SCHEMES = ("smtp", "smtp+tls", "smtps")
DATABASE_SCHEMES = ("postgres", "postgresql", "sqlite")


def _address(*schemes: str) -> AfterValidator:
    def check(url: str) -> str:
        try:
            # Several addresses of one broker (Sentinel) stand side by side, divided by semicolons.
            known = all(urlsplit(part).scheme in schemes for part in url.split(";"))
        except ValueError:
            known = False
        if not known or "://" not in url:
            raise ValueError(f"it must start with {', '.join(f'{name}://' for name in schemes)}")
        return url

    return AfterValidator(check)


def _mail_server() -> AfterValidator:
    def check(secret: SecretStr) -> SecretStr:
        url = secret.get_secret_value()
        try:
            server = urlsplit(url)
            is_one = server.scheme in MAIL_SCHEMES and server.port != 0
        except ValueError:
            is_one = False
        if not is_one or not server.hostname:
            told = ", ".join(f"{name}://" for name in MAIL_SCHEMES)
            raise ValueError(f"it must start with {told}, and name a host and at most its port")
        return secret

    return AfterValidator(check)


def _hosts(value: object) -> object:
    if not isinstance(value, str):
        return value
    return tuple(host.strip() for host in value.split(";") if host.strip())


def _level(value: object) -> object:
    return value.strip().upper() if isinstance(value, str) else value


def _none(value: object) -> object:
    return None if value == "None" else value


LogLevel = Annotated[
    Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], BeforeValidator(_level)
]
Hosts = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_hosts)]
BrokerUrl = Annotated[str, _address(*BROKER_SCHEMES)]
RedisUrl = Annotated[str, _address(*REDIS_SCHEMES)]
HttpUrl = Annotated[str, _address("http", "https")]
MailUrl = Annotated[SecretStr, _mail_server()]
DatabaseUrl = Annotated[str, _address(*DATABASE_SCHEMES)]
Retries = Annotated[NonNegativeInt | None, BeforeValidator(_none)]


class Environment(BaseSettings):
    """The variables by name; what is not set, or set to nothing, is None and decided by the settings."""

    model_config = SettingsConfigDict(
        env_ignore_empty=True, case_sensitive=True, extra="ignore", frozen=True
    )

    LOG_LEVEL: LogLevel | None = Field(
        None,
        description="Logging threshold. Only `DEBUG` turns on debug pages, Swagger UI and ReDoc.",
    )
    LOG_FORMAT: Literal["lines", "json"] | None = Field(
        None, description="How log lines are written: for people, or one JSON object each."
    )
    LOG_FILE: str | None = Field(
        None, description="File that log lines are written to beside stderr; turned over at 50 MB."
    )
    OTEL_EXPORTER_OTLP_ENDPOINT: str | None = Field(
        None,
        description="Where spans of requests and jobs go, over OTLP/HTTP. Needs `pip install 'holdfast[otel]'`.",
    )
    ALERT_SLACK_URL: SecretStr | None = Field(
        None, description="Incoming webhook of Slack that alerts go to."
    )
    ALERT_PAGERDUTY_KEY: SecretStr | None = Field(
        None, description="Routing key of PagerDuty (Events API v2) that alerts go to."
    )
    ALERT_EMAIL: str | None = Field(None, description="Mail address that alerts go to.")
    ALERT_WEBHOOK_URL: SecretStr | None = Field(
        None, description="Address that alerts are posted to as JSON."
    )
    ALERT_CONSOLE_URL: str | None = Field(
        None,
        description="Address of the console, to which alerts link: `https://jost.example.com/holdfast/`.",
    )
    API_HOST: Hosts = Field(
        (),
        description="Host names Django accepts, divided by semicolons: `d1.example.com; d2.example.com`.",
    )
    DJANGO_SECRET_KEY: SecretStr | None = Field(
        None,
        min_length=20,
        description="Secret key of Django; it also signs sessions and job messages. "
        "Unset: a random one, kept in `JOST_DATA_DIR`.",
    )
    DATABASE_URL: DatabaseUrl | None = Field(
        None,
        description="The database, before all other ways to name it: `postgresql://user:pass@host:5432/name`.",
    )
    POSTGRES_HOST: str | None = Field(None, description="PostgreSQL host name.")
    POSTGRES_PORT: PositiveInt | None = Field(None, le=65535, description="PostgreSQL port.")
    POSTGRES_USER: str | None = Field(None, description="Database user.")
    POSTGRES_DB: str | None = Field(None, description="Database name.")
    POSTGRES_PASSWORD: SecretStr | None = Field(None, description="Password of `POSTGRES_USER`.")
    DATABASE_POOL: NonNegativeInt | None = Field(
        None,
        description="Most connections to PostgreSQL that the threads of a process share; 0: each thread has its own. "
        "Unset: 20 in a web process, whose requests have a new thread each, and 0 elsewhere.",
    )
    CELERY_BROKER_URL: BrokerUrl | None = Field(
        None, description="The broker: `redis://redis:6379/0`."
    )
    REDIS_URL: RedisUrl | None = Field(
        None,
        description="The broker, where a host injects it under this name; `CELERY_BROKER_URL` wins.",
    )
    CELERY_RESULT_BACKEND: str | None = Field(
        None,
        description="Result backend of tasks with `durable=False`; durable jobs keep their results in the ledger.",
    )
    CACHE_URL: RedisUrl | None = Field(None, description="Redis used for Django's cache.")
    CELERY_TASK_RESULT_EXPIRES: PositiveInt | None = Field(
        None, description="Lifetime of results in seconds."
    )
    CELERY_BROKER_POOL_LIMIT: NonNegativeInt | None = Field(
        None, description="Broker connections kept open per process; 0 opens one per use."
    )
    CELERY_BROKER_CONNECTION_TIMEOUT: PositiveFloat | None = Field(
        None, description="Seconds to wait for a broker connection."
    )
    CELERY_BROKER_CONNECTION_MAX_RETRIES: Retries = Field(
        None,
        description="Attempts to reconnect after a broker failure; 0 is for ever, `None` is Celery's default.",
    )
    CELERY_BROKER_HEARTBEAT: NonNegativeInt | None = Field(
        None, description="Seconds between heartbeats to the broker (AMQP only)."
    )
    CELERY_BROKER_MASTER_NAME: str | None = Field(
        None, description="Name of the master that the Sentinels of `sentinel://` are asked for."
    )
    CELERY_WORKER_ENABLE_REMOTE_CONTROL: bool = Field(
        default=False,
        description="Let workers obey Celery's remote control, which Flower and the console's view into a worker need; "
        "whoever can write to Redis can use it.",
    )
    CELERY_BEAT_SCHEDULE_FILENAME: Path | None = Field(
        None,
        description="File in which Celery's own scheduler would remember what it has sent; "
        "JOST's has the ledger for it.",
    )
    JOST_GATEWAYS_URL: HttpUrl | None = Field(
        None,
        description="Where SMS, CRM, payments and mails go: `http://gateways:9100`.",
    )
    EMAIL_URL: MailUrl | None = Field(
        None,
        description="The mail server, before the gateway: `smtp://user:password@host:25`, `smtp+tls://` with STARTTLS, "
        "`smtps://` with TLS from the start.",
    )
    EMAIL_FROM: str | None = Field(None, description="Sender of mails: `JOST <jost@example.com>`.")
    JOST_GATEWAY_SECONDS: PositiveFloat | None = Field(
        None, description="Seconds that a gateway, or the mail server, may take to answer."
    )
    JOST_IMPORT_JOB_SECONDS: PositiveFloat | None = Field(
        None, description="Seconds after which a further job goes on with a file that is imported."
    )
    JOST_IMPORT_KEEP_DAYS: PositiveInt | None = Field(
        None, description="Days for which an uploaded file is kept behind the end of its import."
    )
    FOLLOWUP_REPEAT_THRESHOLD: NonNegativeInt | None = Field(
        None, description="Minutes in which a follow-up message is not repeated; 0 is for none."
    )
    TASK_LOCK_TIMEOUT: PositiveInt | None = Field(
        None,
        description="Seconds after which the lock of a `singleton_task` that no longer beats is abandoned.",
    )
    JOST_PROFILE: Literal["stable", "conservative"] = Field(
        "stable", description="Set of connection settings: `stable` or `conservative`."
    )
    JOST_DATA_DIR: Path | None = Field(
        None,
        description="Folder of the embedded database, Redis data, generated secret key and uploaded files.",
    )
    JOST_HTTPS: bool | None = Field(
        None,
        description="Whether browsers reach JOST by https: cookies are then sent by https only.",
    )

    METRICS_TOKEN: SecretStr | None = Field(
        None, description="Bearer token with which Prometheus may read `/metrics`."
    )

    JOST_LOGIN: bool | None = Field(
        None, description="Whether pages and API are only for who is signed in."
    )

    def is_given(self, name: str) -> bool:
        """Say whether the environment itself has this variable."""
        return name in self.model_fields_set


def read() -> Environment:
    """Read the environment, and for what it leaves out the files of secrets that a container was given.

    Raises:
        ImproperlyConfigured: naming every malformed variable and how it must look.
    """
    try:
        return Environment(_secrets_dir=SECRETS if SECRETS.is_dir() else None)
    except ValidationError as error:
        problems = [_explain(problem) for problem in error.errors(include_input=False)]
    raise ImproperlyConfigured("\n".join(["The environment is malformed.", *problems]))


def missing(*names: str, repair: str) -> ImproperlyConfigured:
    """Return the error for variables that must be set."""
    return ImproperlyConfigured(f"{' and '.join(names)} must be set in the environment: {repair}")


def _explain(problem: Any) -> str:
    name = str(problem["loc"][0])
    meaning = Environment.model_fields[name].description
    said = problem["msg"].removeprefix("Value error, ")
    return f"  {name}: {said[:1].lower()}{said[1:]}. Meaning: {meaning}"
