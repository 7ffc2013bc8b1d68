"""Django system checks: settings that would break a promise, each named with its repair; they touch no network."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import celery
import kombu
from celery import current_app
from django.apps import AppConfig
from django.conf import settings as django_settings
from django.core import checks
from django.core.checks import CheckMessage, Error, Info, Tags, register
from django.db import connections

from holdfast.broker.addresses import (  # noqa: F401  # their ids are ours too
    NO_MASTER_NAME,
    NO_SUCH_PORT,
    OTHER_BROKER,
    REDIS_CLUSTER,
    TLS_UNVERIFIED,
    check_kind,
    check_ports,
    check_tls,
)
from holdfast.conf import get_settings
from holdfast.dispatch.app import Celery
from holdfast.dispatch.django_checks import (  # noqa: F401  # ids of the backend's own checks
    ENQUEUED_WITH_THE_TRANSACTION,
    QUEUE_CANNOT_BE_USED,
)
from holdfast.exceptions import ConfigurationError
from holdfast.policies.limits import of_queues

OLDEST = (5, 7)
OLDEST_SQLITE = (3, 38)
# Ids never change their meaning.
BAD_SETTING = "holdfast.E001"
UNSUPPORTED_DATABASE = "holdfast.E002"
SQLITE_NOT_IMMEDIATE = "holdfast.E003"
OLD_CELERY = "holdfast.E004"
STOCK_APP = "holdfast.E005"
EAGER = "holdfast.E006"
NO_SUCH_DATABASE = "holdfast.E007"
NO_ENCRYPTION_KEY = "holdfast.E008"
RESULT_BACKEND = "holdfast.W001"
PICKLE = "holdfast.W002"
CONNECTIONS_CLOSED = "holdfast.W003"
NO_TIME_LIMIT = "holdfast.W004"
MANY_RECEIVERS = "holdfast.W005"
GIVES_UP = "holdfast.W006"
UNSIGNED_RUN = "holdfast.W007"
OURS_INSTEAD = "holdfast.I001"


@register(Tags.compatibility)
def check_versions(
    app_configs: Sequence[AppConfig] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Refuse Celery and kombu whose workers stall after a reconnect."""
    del app_configs, kwargs
    return [
        Error(
            f"{package} {version} is older than 5.7: its workers can stop consuming after a reconnect.",
            hint="Install celery>=5.7 and kombu>=5.7.",
            id=OLD_CELERY,
        )
        for package, version in (("celery", celery.__version__), ("kombu", kombu.__version__))
        if tuple(int(part) for part in version.split(".")[:2]) < OLDEST
    ]


@register()
def check_settings(
    app_configs: Sequence[AppConfig] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """What HOLDFAST says must be known and possible; the one check that says so, for all that read it."""
    del app_configs, kwargs
    try:
        get_settings()
    except ConfigurationError as error:
        return [Error(str(error), id=BAD_SETTING)]
    return []


@register()
def check_queue_limits(
    app_configs: Sequence[AppConfig] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """What the settings say of limits must be what can be kept: no call to such a queue would be recorded."""
    del app_configs, kwargs
    if check_settings():
        return []
    try:
        of_queues()
    except ConfigurationError as error:
        return [Error(str(error), id=BAD_SETTING)]
    return []


@register(Tags.database)
def check_ledger_database(
    app_configs: Sequence[AppConfig] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """The ledger's database must be able to keep the promises."""
    del app_configs, kwargs
    try:
        alias = get_settings().database
    except ConfigurationError:
        return []  # said by the check of the settings
    if alias not in connections:
        known = ", ".join(sorted(connections))
        hint = f"Name one of DATABASES: {known}."
        return [
            Error(
                f"HOLDFAST['database'] is {alias!r}: no such alias.", hint=hint, id=NO_SUCH_DATABASE
            )
        ]
    connection = connections[alias]
    if connection.vendor not in {"postgresql", "sqlite"}:
        return [
            Error(
                f"The ledger's database {alias!r} is {connection.vendor}; the ledger needs PostgreSQL or SQLite.",
                hint="Point HOLDFAST['database'] to an alias with one of them.",
                id=UNSUPPORTED_DATABASE,
            )
        ]
    return list(_check_sqlite(connection)) if connection.vendor == "sqlite" else []


def _check_sqlite(connection: Any) -> Iterator[CheckMessage]:
    options = connection.settings_dict.get("OPTIONS", {})
    if str(options.get("transaction_mode", "")).upper() not in {"IMMEDIATE", "EXCLUSIVE"}:
        yield Error(
            "SQLite begins its transactions deferred: two that write at once fail with 'database is locked'.",
            hint=(
                'Set OPTIONS = {"transaction_mode": "IMMEDIATE", "timeout": 20, "init_command": '
                '"PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL"} on the database.'
            ),
            id=SQLITE_NOT_IMMEDIATE,
        )
    version = connection.Database.sqlite_version_info
    if version < OLDEST_SQLITE:
        yield Error(
            f"SQLite {'.'.join(map(str, version))} is too old for the ledger's statements.",
            hint="Use a Python built with SQLite 3.38 or later, or PostgreSQL.",
            id=UNSUPPORTED_DATABASE,
        )


@register("celery")
def check_celery(
    app_configs: Sequence[AppConfig] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Settings of Celery that mean something else on the ledger, or would go around it."""
    del app_configs, kwargs
    # Its class, not its outbox, which refuses to be made of wrong settings.
    if not isinstance(current_app._get_current_object(), Celery):  # noqa: SLF001  # the app itself
        return [
            Error(
                "holdfast is installed, but the project's Celery app is celery.Celery: nothing is recorded.",
                hint="Write 'from holdfast import Celery' where the app is made, and import it in the project's "
                "__init__.py.",
                id=STOCK_APP,
            )
        ]
    return [*_check_conf(current_app.conf), *_check_encrypted(current_app.tasks.values())]


def _check_encrypted(tasks: Iterable[Any]) -> Iterator[CheckMessage]:
    names = sorted(task.name for task in tasks if getattr(task, "encrypt", False))
    try:
        keys = get_settings().encryption_keys
    except ConfigurationError:
        return  # said by the check of the settings
    if names and not keys:
        yield Error(
            f"HOLDFAST['encryption_keys'] is empty, and there are tasks with encrypt=True: {', '.join(names)}.",
            hint="Their calls will raise. `manage.py holdfast reencrypt --new-key` prints a key: give it to every "
            "process by the environment.",
            id=NO_ENCRYPTION_KEY,
        )


def _check_conf(conf: Any) -> Iterator[CheckMessage]:
    if conf.result_backend and not str(conf.result_backend).startswith("disabled"):
        yield checks.Warning(
            "CELERY_RESULT_BACKEND is set: durable jobs keep their results in the ledger all the same.",
            hint="It still serves tasks with durable=False, and results stored before. Remove it when nothing needs "
            "it, or silence this check.",
            id=RESULT_BACKEND,
        )
    if "pickle" in (conf.accept_content or ()) or "application/x-python-serialize" in (
        conf.accept_content or ()
    ):
        yield checks.Warning(
            "CELERY_ACCEPT_CONTENT allows pickle: whoever can write to the database or the broker can run code.",
            hint="Send JSON, and remove pickle from CELERY_ACCEPT_CONTENT.",
            id=PICKLE,
        )
    reuse = conf.get("CELERY_DB_REUSE_MAX")
    if reuse is not None and int(reuse) < 100:
        yield checks.Warning(
            "CELERY_DB_REUSE_MAX is small: Celery closes every database connection around almost every task.",
            hint="Remove it: Holdfast keeps connections open and drops those that broke.",
            id=CONNECTIONS_CLOSED,
        )
    if not conf.task_time_limit:
        yield checks.Warning(
            "No CELERY_TASK_TIME_LIMIT: a task that hangs under a living worker is never ended.",
            hint="Set CELERY_TASK_TIME_LIMIT above your longest task, or time_limit on each task.",
            id=NO_TIME_LIMIT,
        )
    yield from _check_patience(conf)
    yield from _check_queues(conf)
    yield from check_kind(conf)
    yield from check_ports(conf)
    ignored = [name for name in _OURS if conf.get(name)]
    if ignored:
        yield Info(
            f"For durable jobs the ledger does what {', '.join(sorted(ignored))} would do.",
            hint="They still hold for tasks with durable=False.",
            id=OURS_INSTEAD,
        )


_OURS = ("task_acks_late", "task_reject_on_worker_lost", "task_retry_on_worker_lost")


def _check_patience(conf: Any) -> Iterator[CheckMessage]:
    """Celery's pages say that 0 retries for ever; kombu takes it at its word and lets the worker end."""
    if conf.broker_connection_max_retries == 0:
        culprit = "CELERY_BROKER_CONNECTION_MAX_RETRIES is 0"
        repair = "Set it to None, which is for ever, or to the number of tries."
    elif not conf.broker_connection_retry:
        culprit, repair = "CELERY_BROKER_CONNECTION_RETRY is off", "Remove it."
    else:
        return
    yield checks.Warning(
        f"{culprit}: a worker ends at the first connection it loses, and so does every other one.",
        hint=repair,
        id=GIVES_UP,
    )


def _check_queues(conf: Any) -> Iterable[CheckMessage]:
    names = [
        queue.name
        for queue in conf.task_queues or ()
        if getattr(getattr(queue, "exchange", None), "type", "direct") not in {"direct", None}
    ]
    if names:
        yield checks.Warning(
            f"Queues with a topic or fanout exchange are not durable: {', '.join(sorted(map(str, names)))}.",
            hint="A message with many receivers has no single end to record. Use direct queues for what must not "
            "be lost.",
            id=MANY_RECEIVERS,
        )


@register(Tags.security, deploy=True)
def check_eager(
    app_configs: Sequence[AppConfig] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Eager mode runs tasks inside the caller and records nothing."""
    del app_configs, kwargs
    if current_app.conf.task_always_eager and not django_settings.DEBUG:
        return [
            Error(
                "CELERY_TASK_ALWAYS_EAGER is on, and DEBUG is off: tasks run in their caller, and nothing is recorded.",
                hint="Remove it, but for the settings of tests.",
                id=EAGER,
            )
        ]
    return []


@register(Tags.security, deploy=True)
def check_broker_certificate(
    app_configs: Sequence[AppConfig] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Whether it is known who answers for the broker."""
    del app_configs, kwargs
    return list(check_tls(current_app.conf))


@register(Tags.security, deploy=True)
def check_unsigned(
    app_configs: Sequence[AppConfig] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Whether whoever can write to the broker can run tasks."""
    del app_configs, kwargs
    try:
        mode = get_settings().unsigned
    except ConfigurationError:
        return []  # said by the check of the settings
    if mode == "refuse":
        return []
    return [
        checks.Warning(
            f"HOLDFAST['unsigned'] is {mode!r}: whoever can write to the broker can run any task with any arguments.",
            hint="Set it to 'refuse' when every process that sends runs this release, and "
            "`manage.py holdfast security` shows no unsigned messages of your own.",
            id=UNSIGNED_RUN,
        )
    ]
