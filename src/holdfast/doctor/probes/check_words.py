"""What the findings of the system checks lead to; their ids, and what was seen, are `holdfast.checks`'s own."""

from __future__ import annotations

from holdfast.doctor.findings import Definition, define

# id, title, leads to, repair.
_TABLE = (
    (
        "E001",
        "A key or a value in HOLDFAST is wrong",
        "Nothing works with settings that cannot be read.",
        "Correct it as the message says: it names the nearest key. See docs/reference/holdfast-settings.md.",
    ),
    (
        "E002",
        "The ledger's database is neither PostgreSQL nor SQLite, or SQLite is older than 3.38",
        "The ledger's statements fail: they need what these two have.",
        'Point HOLDFAST["database"] to a database of the two kinds.',
    ),
    (
        "E003",
        "SQLite begins its transactions deferred",
        'Two transactions that both read and then write fail with "database is locked".',
        'OPTIONS = {"transaction_mode": "IMMEDIATE"}, as docs/quickstart.md#sqlite has it.',
    ),
    (
        "E004",
        "Celery or kombu is too old",
        "Its workers can stop consuming after a reconnect.",
        'pip install "celery>=5.7,<5.8" "kombu>=5.7,<5.8"',
    ),
    (
        "E005",
        "The project's app is Celery's own class",
        "Nothing is recorded: what Redis loses is lost.",
        "from holdfast import Celery, and import the app in the __init__.py of the project's package.",
    ),
    (
        "E006",
        "Eager mode is on, and DEBUG is off",
        "No worker is asked, nothing is tried again, and a request takes as long as its tasks.",
        "Remove CELERY_TASK_ALWAYS_EAGER, but for the settings of tests.",
    ),
    (
        "E007",
        'HOLDFAST["database"] is no alias of DATABASES',
        "There is no ledger.",
        "Name one of the aliases in the message.",
    ),
    (
        "E008",
        "A task has encrypt=True, and there is no key",
        "Its calls raise.",
        "manage.py holdfast reencrypt --new-key prints a key; see docs/guides/security.md#encryption-at-rest.",
    ),
    (
        "E009",
        "The broker's address is that of a Redis Cluster",
        "A worker waits on several lists at once, which a cluster refuses.",
        "Use a Redis with cluster mode disabled; see docs/guides/brokers.md#redis-cluster.",
    ),
    (
        "E010",
        "The broker's URL is sentinel://, and there is no master_name",
        "Nobody can ask the Sentinels for the master: every job stays in the ledger.",
        'CELERY_BROKER_TRANSPORT_OPTIONS = {"master_name": ...}; see docs/guides/brokers.md#sentinel.',
    ),
    (
        "E011",
        "The port in the broker's URL is above 65535",
        "Nothing is sent and nothing is fetched: jobs stay in the ledger.",
        "Correct the port in CELERY_BROKER_URL.",
    ),
    (
        "E101",
        "A queue of a backend in TASKS has many receivers, or Celery does not know it and may not make it",
        "No task can be enqueued on it.",
        "Name direct queues that Celery knows; see docs/guides/django-tasks.md#queues-and-priorities.",
    ),
    (
        "W001",
        "CELERY_RESULT_BACKEND is set",
        "Durable jobs keep their results in the ledger all the same, which may surprise.",
        "Remove it. If tasks with durable=False or old results need it, keep it and silence this.",
    ),
    (
        "W002",
        "CELERY_ACCEPT_CONTENT allows pickle",
        "Whoever can write to the database or to Redis can run code.",
        'CELERY_ACCEPT_CONTENT = ["json"]',
    ),
    (
        "W003",
        "Celery closes the database's connections all the time",
        "Nearly every task opens one anew, which takes longer than a short task.",
        "Remove CELERY_DB_REUSE_MAX: it is below 100.",
    ),
    (
        "W004",
        "There is no time limit for tasks",
        "A body that hangs under a living worker is never ended.",
        "Set CELERY_TASK_TIME_LIMIT above your longest task, or time_limit on each task.",
    ),
    (
        "W005",
        "A queue has a topic or fanout exchange",
        "A message with many receivers has no single end to record: it is not durable.",
        "Use direct queues for what must not be lost.",
    ),
    (
        "W006",
        "Workers give up at the first lost connection",
        'A broker that is away for a moment ends all of them: kombu 5.7 does not take 0 retries for "for ever".',
        "CELERY_BROKER_CONNECTION_MAX_RETRIES = None, which is for ever; and remove CELERY_BROKER_CONNECTION_RETRY.",
    ),
    (
        "W007",
        "Messages without a signature are run",
        "Whoever can write to the broker can run any task with any arguments.",
        'HOLDFAST = {"unsigned": "refuse"}; see docs/guides/security.md#from-warn-to-refuse.',
    ),
    (
        "W008",
        "The broker's certificate is not verified",
        "Whoever is in between can read the password, and send: Celery verifies nothing unless it is told to.",
        "Add ?ssl_cert_reqs=required to the broker's URL; see docs/guides/brokers.md#tls-and-passwords.",
    ),
    (
        "W009",
        "The broker is neither Redis, Valkey nor RabbitMQ",
        "Holdfast is not tested on it, and what it loses is not found.",
        "Use one of the three; see docs/guides/brokers.md.",
    ),
    (
        "W101",
        "ENQUEUE_ON_COMMIT is off in TASKS",
        "A call is part of the open transaction all the same, and leaves with it.",
        "Remove it. Enqueue outside of the transaction what must run whatever becomes of it.",
    ),
    (
        "I001",
        "Late acknowledgement is set, which the ledger makes needless",
        "Nothing: it holds for tasks with durable=False alone.",
        "Nothing to do.",
    ),
)

# Asked for with `--deploy` alone.
_AT_DEPLOYMENT = frozenset({"W007", "W008"})


def _defined(*, deploy: bool) -> tuple[Definition, ...]:
    return tuple(
        define(f"holdfast.{id}", title=title, leads_to=leads_to, repair=repair)
        for id, title, leads_to, repair in _TABLE
        if (id in _AT_DEPLOYMENT) is deploy
    )


ALWAYS = _defined(deploy=False)
AT_DEPLOYMENT = _defined(deploy=True)
