"""What the findings of the system checks lead to; their ids, and what was seen, are `holdfast.checks`'s own."""

from __future__ import annotations

from holdfast.doctor.findings import Definition, define

# id, title, leads to, repair.
_TABLE = (
    (
        "E001",
        "A key or a value in HOLDFAST is wrong",
        "Nothing works with settings that cannot be read.",
        "Correct it as the message says.",
    ),
    (
        "E002",
        "The ledger's database is of a kind that cannot hold it",
        "The ledger's statements fail.",
        'Point HOLDFAST["database"] to PostgreSQL, or to SQLite 3.38 or later.',
    ),
    (
        "E003",
        "SQLite begins its transactions deferred",
        'Two transactions that read and then write fail with "database is locked".',
        'OPTIONS = {"transaction_mode": "IMMEDIATE"}, as the quickstart says.',
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
        "from holdfast import Celery",
    ),
    (
        "E006",
        "Eager mode is on",
        "Every task runs inside its caller, and nothing is recorded.",
        "Remove CELERY_TASK_ALWAYS_EAGER, but for the settings of tests.",
    ),
    (
        "E007",
        'HOLDFAST["database"] is no alias of DATABASES',
        "There is no ledger.",
        "Name one of the aliases.",
    ),
    (
        "E008",
        "A task is to be encrypted, and there is no key",
        "Its calls raise.",
        "manage.py holdfast reencrypt --new-key prints a key.",
    ),
    (
        "E009",
        "The broker's address is that of a Redis Cluster",
        "A worker waits on several lists at once, which a cluster refuses.",
        "Use a Redis with cluster mode disabled.",
    ),
    (
        "E010",
        "The Sentinels are asked for no master",
        "Nothing can be sent: every job stays in the ledger.",
        'CELERY_BROKER_TRANSPORT_OPTIONS = {"master_name": ...}',
    ),
    (
        "E101",
        "A queue of a backend in TASKS cannot be used",
        "No task can be enqueued on it.",
        "Name direct queues that Celery knows.",
    ),
    (
        "W001",
        "CELERY_RESULT_BACKEND is set",
        "Durable jobs keep their results in the ledger all the same, which may surprise.",
        "Remove it, unless tasks with durable=False need it.",
    ),
    (
        "W002",
        "Pickle is accepted",
        "Whoever can write to the database or to Redis can run code.",
        'CELERY_ACCEPT_CONTENT = ["json"]',
    ),
    (
        "W003",
        "Celery closes the database's connections all the time",
        "Nearly every task opens one anew, which takes longer than a short task.",
        "Remove CELERY_DB_REUSE_MAX.",
    ),
    (
        "W004",
        "There is no time limit for tasks",
        "A body that hangs under a living worker is never ended.",
        "Set CELERY_TASK_TIME_LIMIT above your longest task.",
    ),
    (
        "W005",
        "A queue has many receivers",
        "Its messages have no single end to record: they are not durable.",
        "Use direct queues for what must not be lost.",
    ),
    (
        "W006",
        "Workers give up at the first lost connection",
        "A broker that is away for a moment ends all of them.",
        "CELERY_BROKER_CONNECTION_MAX_RETRIES = None",
    ),
    (
        "W007",
        "Messages without a signature are run",
        "Whoever can write to the broker can run any task with any arguments.",
        'HOLDFAST = {"unsigned": "refuse"}',
    ),
    (
        "W008",
        "The broker's certificate is not verified",
        "Whoever is between can read the password, and send.",
        "Add ?ssl_cert_reqs=required to the broker's URL.",
    ),
    (
        "W009",
        "The broker is of a kind that is not tested",
        "What it loses is not found.",
        "Use Redis, Valkey or RabbitMQ.",
    ),
    (
        "W101",
        "ENQUEUE_ON_COMMIT is off",
        "A call is part of the open transaction all the same, and leaves with it.",
        "Remove it.",
    ),
    (
        "I001",
        "Late acknowledgement is set, which the ledger makes needless",
        "Nothing: it holds for tasks with durable=False.",
        "Nothing to do.",
    ),
)

WORDS: tuple[Definition, ...] = tuple(
    define(f"holdfast.{id}", title=title, leads_to=leads_to, repair=repair)
    for id, title, leads_to, repair in _TABLE
)
