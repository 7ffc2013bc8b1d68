"""What is the same in development, production and tests; each stage adds where the data is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from celery.schedules import crontab

from holdfast import logs
from jost.settings import alerting, deploy, environment, mail, profiles, queues
from jost.settings.rest import REST_FRAMEWORK, SPECTACULAR_SETTINGS  # noqa: F401  # are settings

ROOT = Path(__file__).resolve().parents[2]

ENVIRONMENT = environment.read()

LOG_LEVEL = ENVIRONMENT.LOG_LEVEL or "INFO"
# One switch: whoever logs at DEBUG sees debug pages, Swagger UI and ReDoc, nobody else does.
DEBUG = LOG_LEVEL == "DEBUG"

ALLOWED_HOSTS = list(ENVIRONMENT.API_HOST)

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_filters",
    "django_htmx",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "rest_framework",
    "rest_framework.authtoken",
    "holdfast",
    "jost.accounts",
    "jost.imports",
    "jost.leads",
    "jost.orders",
    "jost.reports",
    "jost.simulations",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "holdfast.logs.CorrelationMiddleware",
    "jost.access.OwnHostOnlyMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "jost.access.LoginMiddleware",
    "jost.access.ConsoleLanguageMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "jost.access.OneThreadMiddleware",
]

TEST_RUNNER = "jost.testing.AppLabelRunner"

ROOT_URLCONF = "jost.urls"
ASGI_APPLICATION = "jost.asgi.application"
WSGI_APPLICATION = "jost.wsgi.application"

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [ROOT / "jost" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "builtins": ["jost.shown"],
            "context_processors": [
                "django.template.context_processors.debug",
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "jost.demo.context.mode",
            ],
        },
    },
]

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

_VALIDATION = "django.contrib.auth.password_validation"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"{_VALIDATION}.UserAttributeSimilarityValidator"},
    {"NAME": f"{_VALIDATION}.MinimumLengthValidator"},
    {"NAME": f"{_VALIDATION}.CommonPasswordValidator"},
    {"NAME": f"{_VALIDATION}.NumericPasswordValidator"},
]

AUTHENTICATION_BACKENDS = ["jost.accounts.backend.AddressBackend"]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "simulations:index"
LOGOUT_REDIRECT_URL = "home"

LANGUAGE_CODE = "en-us"
# Those of Holdfast's console.
LANGUAGES = [("en", "English"), ("de", "Deutsch")]
TIME_ZONE = "UTC"
USE_TZ = True

STATIC_URL = "/static/"
STATIC_ROOT = ROOT / "staticfiles"
STATICFILES_DIRS = [path for path in [ROOT / "jost" / "static"] if path.is_dir()]

_THRESHOLD = ENVIRONMENT.FOLLOWUP_REPEAT_THRESHOLD
FOLLOWUP_REPEAT_THRESHOLD = 1440 if _THRESHOLD is None else _THRESHOLD
TASK_LOCK_TIMEOUT = ENVIRONMENT.TASK_LOCK_TIMEOUT or 60

# Every process that sends is one of ours and has the key.
HOLDFAST: dict[str, Any] = {
    # A worker that does not beat has lost its jobs, and what they alone may do, within TASK_LOCK_TIMEOUT.
    "lease_seconds": min(30.0, max(5.0, TASK_LOCK_TIMEOUT - 5.0)),
    "unsigned": "refuse",
    "console_access": "jost.access.console",
    # Where spans go is said as OpenTelemetry has it.
    "tracing": bool(ENVIRONMENT.OTEL_EXPORTER_OTLP_ENDPOINT),
    "alerts": alerting.settings(ENVIRONMENT),
    "deploy": deploy.DEPLOY,
    "metrics_token": ENVIRONMENT.METRICS_TOKEN.get_secret_value()
    if ENVIRONMENT.METRICS_TOKEN
    else "",
}
# Late acknowledgement is meant: it serves the tasks with durable=False.
SILENCED_SYSTEM_CHECKS = ["holdfast.I001"]

globals().update(profiles.celery_settings(ENVIRONMENT))
# As many schedulers as there are hosts: each due time makes one job all the same.
CELERY_BEAT_SCHEDULER = "holdfast.beat:Scheduler"
CELERY_TASK_DEFAULT_QUEUE = queues.DEFAULT
CELERY_TASK_QUEUES = queues.TASK_QUEUES
CELERY_TASK_ROUTES = queues.TASK_ROUTES
# A misspelt queue is an error where it is used, not a queue nobody reads.
CELERY_TASK_CREATE_MISSING_QUEUES = False
CELERY_BEAT_SCHEDULE: dict[str, Any] = {
    "collect follow-ups": {"task": "jost.leads.collect_followups", "schedule": crontab()},
    "find unsent mails of accounts": {
        "task": "jost.accounts.find_unsent",
        "schedule": crontab(),
    },
    "forget accounts that nobody activated": {
        "task": "jost.accounts.forget_unused",
        "schedule": crontab(minute="30", hour="3"),
    },
    "settle imports": {"task": "jost.imports.settle", "schedule": crontab()},
    "clean up imports": {
        "task": "jost.imports.clean_up",
        "schedule": crontab(minute="55", hour="3"),
    },
    "heal stuck orders": {"task": "jost.orders.heal_stuck", "schedule": crontab()},
    "settle reports": {"task": "jost.reports.settle", "schedule": crontab()},
    "report of yesterday": {
        "task": "jost.reports.daily",
        "schedule": crontab(minute="15", hour="3"),
        # A night without a scheduler has its report later; one job asks for all that are missing.
        "catch_up": "last",
    },
    "clean up reports": {
        "task": "jost.reports.clean_up",
        "schedule": crontab(minute="45", hour="3"),
    },
}

# Only `make demo` turns it on, on one machine: its page kills what it is told to.
JOST_DEMO = False
JOST_DEMO_FREEZE_SECONDS = 30.0
JOST_RUN = ""

JOST_GATEWAYS_URL = ENVIRONMENT.JOST_GATEWAYS_URL or ""
JOST_GATEWAY_SECONDS = ENVIRONMENT.JOST_GATEWAY_SECONDS or 10.0
JOST_IMPORT_JOB_SECONDS = ENVIRONMENT.JOST_IMPORT_JOB_SECONDS or 60.0
JOST_IMPORT_KEEP_DAYS = ENVIRONMENT.JOST_IMPORT_KEEP_DAYS or 7
globals().update(mail.settings(ENVIRONMENT, seconds=JOST_GATEWAY_SECONDS))

# At DEBUG these would say so much that nothing else is seen.
_CHATTY = (
    *("amqp", "asyncio", "celery.utils.functional", "django.db.backends", "django.template"),
    *("kombu", "numba", "redis"),
)
LOGGING: dict[str, Any] = logs.config(
    json=ENVIRONMENT.LOG_FORMAT == "json",
    level=LOG_LEVEL,
    file=ENVIRONMENT.LOG_FILE or "",
    loggers=dict.fromkeys(_CHATTY, "INFO" if DEBUG else LOG_LEVEL),
)
