"""What is told of a project: what stands in the way, what must change, what is gained, what to watch; one rule each."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

from holdfast.adoption.facts import UNKNOWN, Place, Project, Setting

Kind = Literal["stops", "change", "gain", "watch"]
ONCE = {"QueueOnce", "Singleton"}
_SUPPORTED = ("redis", "rediss", "valkey", "valkeys", "sentinel", "amqp", "amqps", "pyamqp", "unix")


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing to be told, wherever it is found."""

    id: str
    kind: Kind
    title: str
    says: str
    """What it means under Holdfast."""
    do: str
    find: Callable[[Project], Iterable[Place]]


@dataclass(frozen=True, slots=True)
class Note:
    """A rule that something was found for."""

    rule: Rule
    places: list[Place]


RULES: list[Rule] = []


def notes(project: Project) -> list[Note]:
    """Return what is to be told of a project, in the order of the rules."""
    found = ((rule, sorted(set(rule.find(project)))) for rule in RULES)
    return [Note(rule, places) for rule, places in found if places]


def _rule(kind: Kind, id: str, title: str, says: str, do: str) -> Callable[..., Any]:
    def register(
        find: Callable[[Project], Iterable[Place]],
    ) -> Callable[[Project], Iterable[Place]]:
        RULES.append(Rule(id, kind, title, says, do, find))
        return find

    return register


def _calls(*kinds: str) -> Callable[[Project], Iterable[Place]]:
    return lambda project: project.places(*kinds)


def _settings(*keys: str) -> Callable[[Project], Iterable[Place]]:
    return lambda project: [setting.place for setting in project.of(*keys)]


def _options(*names: str) -> Callable[[Project], Iterable[Place]]:
    return lambda project: [task.place for task, _ in project.with_option(*names)]


def _on(settings: Iterable[Setting]) -> Iterable[Place]:
    return [one.place for one in settings if one.value not in (False, None, 0)]


# -- what stands in the way --------------------------------------------------------------------------


@_rule(
    "stops", "database", "The database is neither PostgreSQL nor SQLite",
    "The ledger needs statements that MySQL and Oracle do not have, and the promises hold in the ledger's own "
    "transactions.",
    'Move to PostgreSQL first. A PostgreSQL beside it, named in HOLDFAST["database"], records jobs, but not in the '
    "transactions of your data.",
)  # fmt: skip
def _database(project: Project) -> Iterable[Place]:
    for setting in project.of("DATABASES"):
        entries = setting.value.values() if isinstance(setting.value, dict) else ()
        engines = [str(one.get("ENGINE", "")) for one in entries if isinstance(one, dict)]
        scheme = setting.hint.partition("://")[0]
        if any("mysql" in engine or "oracle" in engine for engine in [*engines, scheme]):
            yield setting.place


@_rule(
    "stops", "broker", "The broker is none that Holdfast is tested on",
    "Redis, Valkey, Sentinels and RabbitMQ are. On another one jobs are recorded, but what it loses is not found.",
    "Take one of them for a trial: the code of your tasks does not depend on it.",
)  # fmt: skip
def _broker(project: Project) -> Iterable[Place]:
    for setting in project.of("broker_url"):
        url = setting.value if isinstance(setting.value, str) else setting.hint
        if "://" in url and url.partition("://")[0].partition("+")[0] not in _SUPPORTED:
            yield setting.place


_rule(
    "stops", "hook-without-super", "A base class of tasks overrides a hook and does not call the one below it",
    "Holdfast keeps the job's end in one transaction there; it refuses such a class when the task is registered.",
    "Call super().__call__(*args, **kwargs), or super().before_start(...), where the body is to run.",
)(_calls("hook without super"))  # fmt: skip


@_rule(
    "stops", "eager", "Tasks run inside their caller",
    "An eager call is not recorded and not retried by a worker.",
    "Keep CELERY_TASK_ALWAYS_EAGER in the settings of tests alone.",
)  # fmt: skip
def _eager(project: Project) -> Iterable[Place]:
    apart = ("test", "ci")
    return [
        one.place
        for one in project.of("task_always_eager")
        if one.value is True and not any(word in one.place.file for word in apart)
    ]


# -- what changes beside the lines of the steps -------------------------------------------------------


@_rule(
    "change", "sqlite", "SQLite needs options",
    "Two transactions that both read and then write fail with 'database is locked' otherwise (holdfast.E003).",
    'In this entry: "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": 20, "init_command": '
    '"PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL"}',
)  # fmt: skip
def _sqlite(project: Project) -> Iterable[Place]:
    for setting in project.of("DATABASES"):
        entries = setting.value.values() if isinstance(setting.value, dict) else ()
        for one in entries:
            options = one.get("OPTIONS") if isinstance(one, dict) else None
            engine = str(one.get("ENGINE", "")) if isinstance(one, dict) else ""
            if "sqlite" in engine and "transaction_mode" not in (options or {}):
                yield setting.place


@_rule(
    "change", "versions", "Libraries are asked for in versions that are too old",
    "Celery and kombu before 5.7 can stop consuming after a reconnect; Holdfast runs on Django 5.2 and 6.",
    "Ask for celery>=5.7,<5.8, kombu>=5.7,<5.8, redis>=6.4 and Django>=5.2. Do this in a release of its own, "
    "before step 1.",
)  # fmt: skip
def _versions(project: Project) -> Iterable[Place]:
    least = {"celery": (5, 7), "kombu": (5, 7), "django": (5, 2), "redis": (6, 4)}
    return [
        one.place
        for one in project.packages
        if one.name in least
        and (
            (one.least and one.least < least[one.name])
            or (one.below and one.below <= least[one.name])
        )
    ]


@_rule(
    "change", "once", "A library locks tasks so that they are queued once",
    "Its lock lives in Redis and outlives the worker that died with it. Under Holdfast a key is a row that ends "
    "with its job.",
    "After step 2: @shared_task(unique=Unique(by=[...])) in place of base=QueueOnce or Singleton and once={...}; "
    "scope='unfinished' where it is held until the end. Until then both work side by side.",
)  # fmt: skip
def _once(project: Project) -> Iterable[Place]:
    return [task.place for task in project.tasks if task.base in ONCE or "once" in task.options]


@_rule(
    "change", "redbeat", "The scheduler keeps its schedules in Redis",
    "They are lost with it. holdfast.beat:Scheduler reads the settings and the tables of django-celery-beat.",
    "Write these entries into CELERY_BEAT_SCHEDULE or into django-celery-beat before step 2.",
)  # fmt: skip
def _redbeat(project: Project) -> Iterable[Place]:
    named = [one.place for one in project.of("beat_scheduler") if "redbeat" in str(one.value)]
    return named + [one.place for one in project.packages if "redbeat" in one.name]


@_rule(
    "change",
    "autoscaler",
    "An autoscaler is chosen by a setting",
    "Celery's own never makes a pool larger here: it looks at what a worker has reserved, and that is never more than "
    "its slots (holdfast.W243).",
    "Remove worker_autoscaler in step 2: with --autoscale a pool then follows how much waits.",
)
def _autoscaler(project: Project) -> Iterable[Place]:
    return [one.place for one in project.of("worker_autoscaler")]


# -- what is gained -----------------------------------------------------------------------------------

_rule(
    "gain", "on-commit", "Calls that wait for the commit by hand",
    "delay() inside a transaction is part of it, and is not lost where the process dies between commit and "
    "call. The wrapper "
    "does no harm, and gives no id.",
    "Call task.delay(...) where you are, one by one, after step 2.",
)(_calls("on_commit", "delay_on_commit"))  # fmt: skip
_rule(
    "gain", "delayed", "Calls with a countdown or an eta",
    "They wait in the ledger and not in the memory of a worker. One that is longer than visibility_timeout runs "
    "once; with "
    "plain Celery on Redis it runs again for each timeout.",
    "Nothing to do.",
)(_calls("delayed"))  # fmt: skip
_rule(
    "gain", "acks-late", "Late acknowledgement and what follows from it",
    "The lease of a worker does this for every job: a lost one runs again within 35 s, and one that kills its "
    "worker is dead after "
    "three losses instead of coming back for ever.",
    "Nothing to do; the settings still hold for durable=False. Make sure that such tasks may run twice, as before.",
)(
    lambda project: (
        *_on(project.of("task_acks_late", "task_reject_on_worker_lost")),
        *_options("acks_late", "reject_on_worker_lost")(project),
    )
)  # fmt: skip


@_rule(
    "gain", "visibility", "A visibility timeout",
    "Nothing depends on it: a job that runs longer is left alone while its worker beats.",
    "Keep it until step 2 is through, then remove it.",
)  # fmt: skip
def _visibility(project: Project) -> Iterable[Place]:
    return [
        one.place
        for one in project.of("broker_transport_options")
        if not isinstance(one.value, dict) or "visibility_timeout" in one.value
    ]


_rule(
    "gain", "retries", "Retries",
    "The wait is held in the ledger and survives every restart; each failed attempt is kept with its traceback.",
    "Nothing to do. retry_rules can say a limit and a wait for each kind of error.",
)(
    lambda project: (
        *project.places("retry"),
        *_options("autoretry_for", "max_retries")(project),
    )
)  # fmt: skip
_rule(
    "gain", "canvas", "Chains, groups and chords",
    "Each step is recorded with the end of the one before it: a worker that dies, or a wiped Redis, strands none.",
    "Nothing to do.",
)(_calls("chain", "group", "chord"))  # fmt: skip
_rule(
    "gain", "locks", "Locks inside tasks",
    "Where they keep two jobs from doing the same, a unique key or a limit of one does so for all workers and "
    "ends with its job.",
    "Look at each: unique=Unique(...), or limit=Limit(name, concurrency=1).",
)(_calls("lock"))  # fmt: skip


@_rule(
    "gain", "schedules", "A schedule that one beat process keeps",
    "With -S holdfast.beat:Scheduler any number of them run, each due time makes one job, and missed ones "
    "follow a rule.",
    "Step 2 changes the setting, or the command.",
)  # fmt: skip
def _schedules(project: Project) -> Iterable[Place]:
    beats = [one.place for one in project.commands if one.kind == "beat"]
    return [*(one.place for one in project.of("beat_schedule", "beat_scheduler")), *beats]


# -- what to watch ------------------------------------------------------------------------------------

_rule(
    "watch", "result-backend", "Results go into the ledger",
    "Jobs that Holdfast records have their results there, whatever the setting says. Old ones are looked up "
    "where they are, and "
    "durable=False tasks go on using it (holdfast.W001).",
    "Keep the setting until old results have expired, then remove it, and django-celery-results with it.",
)(_settings("result_backend"))  # fmt: skip
_rule(
    "watch", "ignore-result", "Tasks that keep no result",
    "Unchanged: no result is kept. Their state is, so that they can be looked up and counted.",
    "Nothing to do. It is also the fastest way to run a job.",
)(
    lambda project: (
        *_on(project.of("task_ignore_result")),
        *_options("ignore_result")(project),
    )
)  # fmt: skip
_rule(
    "watch", "rate-limit", "Rate limits",
    "They become one limit for all workers, where Celery's is one for each. If you chose the figure for n "
    "workers, it is now n "
    "times less.",
    "Multiply by the number of workers, or be glad. A job that waits for its turn takes up no slot.",
)(
    lambda project: (
        *_settings("task_default_rate_limit")(project),
        *_options("rate_limit")(project),
    )
)  # fmt: skip
_rule(
    "watch", "bases", "Task classes of your own",
    "They work, with Holdfast's class set below them. on_failure and the like are called once what they tell of "
    "is in the ledger.",
    "Nothing to do if they call super().",
)(_calls("base"))  # fmt: skip
_rule(
    "watch", "routing", "Routing",
    "A route is asked once, when the job is recorded; its queue is in the row. Retries and replays stay there.",
    "Nothing to do. A job of a queue that nobody serves is named by the doctor.",
)(
    lambda project: (
        *project.places("router"),
        *_settings("task_routes")(project),
    )
)  # fmt: skip
_rule(
    "watch", "signals", "Signals around tasks",
    "before_task_publish and after_task_publish are sent once, when the job is recorded, inside the caller's "
    "transaction; "
    "task_prerun for claimed attempts only.",
    "Look whether a receiver believes that the message is on the broker.",
)(_calls("signal"))  # fmt: skip
_rule(
    "watch", "revoke", "Jobs are revoked",
    "In Python, revoke() cancels the row for good. `celery control revoke` and `celery purge` on the command "
    "line ask workers or "
    "Redis, and the ledger brings the jobs back.",
    "In runbooks write holdfast.cancel, manage.py holdfast cancel, or the console.",
)(_calls("revoke", "purge"))  # fmt: skip
_rule(
    "watch", "broadcast", "Messages for many receivers",
    "One row has one end: they stay plain Celery (holdfast.W005).",
    "Nothing to do, if they may be lost.",
)(_calls("broadcast"))  # fmt: skip


@_rule(
    "watch", "pickle", "Pickle is accepted",
    "Whoever can write to the database or to Redis can run code (holdfast.W002).",
    "Send JSON; wait in step 1 until what is queued has run.",
)  # fmt: skip
def _pickle(project: Project) -> Iterable[Place]:
    asked = project.of("accept_content", "task_serializer", "result_serializer")
    return [one.place for one in asked if "pickle" in str(one.value)]


@_rule(
    "watch", "many-databases", "Requests run in a transaction of their own database",
    "A call is recorded with the transaction of the ledger's database. Where a request writes to another one, "
    "the two commit "
    "one after the other.",
    'Let HOLDFAST["database"] be the alias your data is in.',
)  # fmt: skip
def _many(project: Project) -> Iterable[Place]:
    several = [
        one.place
        for one in project.of("DATABASES")
        if isinstance(one.value, dict) and len([key for key in one.value if key is not UNKNOWN]) > 1
    ]
    return [*several, *(one.place for one in project.of("DATABASE_ROUTERS"))]


@_rule(
    "watch", "commands", "How workers are started",
    "-B puts a scheduler into a worker, where a second worker would bring a second one; eventlet is not tested; "
    "worker_prefetch_multiplier and -O fair do nothing for durable jobs, which are claimed one for each slot "
    "and a blink ahead.",
    "Start beat as a process of its own; take gevent, threads or the asyncio pool.",
)  # fmt: skip
def _commands(project: Project) -> Iterable[Place]:
    workers = [one for one in project.commands if one.kind == "worker"]
    return [
        one.place
        for one in workers
        if {"-B", "--beat"} & set(one.words) or "eventlet" in one.option("-P", "--pool")
    ]
