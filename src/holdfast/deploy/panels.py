"""What the dashboard shows: rows of panels, each with its queries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

HERE = 'job="$job"'
QUEUE = f'{HERE}, queue=~"$queue"'
TASK = f'{HERE}, task=~"$task"'
# Counters rise once a minute.
SPAN = "10m"
_GOOD, _WARN, _BAD = "green", "orange", "red"
_SILENT = f'{HERE}, state=~"lost|stalled"'
_YES_NO = (("0", "no", _BAD), ("1", "yes", _GOOD))


@dataclass(frozen=True)
class Query:
    """A line, or lines, of a panel."""

    expr: str
    legend: str = ""


@dataclass(frozen=True)
class Panel:
    """One panel; its width in parts of 24."""

    title: str
    queries: tuple[Query, ...]
    unit: str = "short"
    kind: str = "timeseries"
    width: int = 12
    says: str = ""
    steps: tuple[tuple[str, float | None], ...] = ((_GOOD, None),)
    stacked: bool = False
    most: float | None = None
    mappings: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True)
class Row:
    """A heading and its panels."""

    title: str
    panels: tuple[Panel, ...]


def one(title: str, expr: str, **more: Any) -> Panel:
    """Return a panel of one big number."""
    return Panel(title, (Query(expr),), kind="stat", width=4, **more)


def answer(title: str, name: str) -> Panel:
    """Return a panel that says yes or no."""
    return one(title, at(name), mappings=_YES_NO)


def lines(title: str, *queries: tuple[str, str], **more: Any) -> Panel:
    """Return a panel of lines over time."""
    return Panel(title, tuple(Query(expr, legend) for expr, legend in queries), **more)


def at(name: str, labels: str = HERE) -> str:
    """Return what a gauge is."""
    return f"holdfast_{name}{{{labels}}}"


def each_second(name: str, labels: str = HERE, *, by: str = "") -> str:
    """Return how often a second a counter rises, added up."""
    return f"sum{f' by ({by}) ' if by else ''}(rate({at(name, labels)}[{SPAN}]))"


def rise(name: str, labels: str = HERE, *, by: str = "") -> str:
    """Return by how much a counter rises in a span."""
    return f"sum{f' by ({by}) ' if by else ''}(increase({at(name, labels)}[{SPAN}]))"


def within(share: float, name: str, labels: str, *, by: str = "") -> str:
    """Return what a share of a histogram did not exceed."""
    buckets = each_second(f"{name}_bucket", labels, by=f"{by}, le" if by else "le")
    return f"histogram_quantile({share}, {buckets})"


def most(many: int, expr: str) -> str:
    """Return the largest of many lines."""
    return f"topk({many}, {expr})"


def limits(warn: float, bad: float) -> tuple[tuple[str, float | None], ...]:
    """Return the colours of a number that should be small."""
    return ((_GOOD, None), (_WARN, warn), (_BAD, bad))


def failed(labels: str, *, by: str = "") -> str:
    """Return which share of the jobs that end fails."""
    bad = each_second("jobs_ended_total", f'{labels}, outcome="failed"', by=by)
    return f"{bad} / ({each_second('jobs_ended_total', labels, by=by)} > 0)"


ROWS = (
    Row(
        "Now",
        (
            one("Jobs that wait", f"sum({at('queue_jobs')})", steps=limits(100, 1000)),
            one(
                "The oldest waits",
                f"max({at('queue_oldest_seconds')})",
                unit="s",
                steps=limits(60, 300),
            ),
            one("Jobs a second", each_second("jobs_ended_total"), unit="ops"),
            one("Failed", failed(HERE), unit="percentunit", steps=limits(0.05, 0.25)),
            one(
                "Workers that serve",
                at("workers", f'{HERE}, state="serving"'),
                steps=((_BAD, None), (_GOOD, 1)),
            ),
            one(
                "Workers lost or stalled",
                f"sum({at('workers', _SILENT)})",
                steps=((_GOOD, None), (_BAD, 1)),
            ),
            answer("Database answers", "database_up"),
            answer("Broker takes messages", "broker_up"),
            answer("Upkeep is done", "upkeep_held"),
            answer("A scheduler leads", "scheduler_leads"),
            one("Dead letters", at("dead_letters"), steps=limits(1, 1000)),
            one(
                "Due and unpublished for",
                at("publish_lag_seconds"),
                unit="s",
                steps=limits(10, 60),
            ),
        ),
    ),
    Row(
        "What becomes of jobs",
        (
            lines(
                "Ends a second",
                (each_second("jobs_ended_total", TASK, by="outcome"), "{{outcome}}"),
                unit="ops",
                stacked=True,
            ),
            lines(
                "Calls and ends a second",
                (each_second("jobs_recorded_total"), "recorded"),
                (each_second("jobs_ended_total"), "ended"),
                unit="ops",
                says="Where more is recorded than ends, something piles up.",
            ),
            lines(
                "Tasks that end most",
                (most(10, each_second("jobs_ended_total", TASK, by="task")), "{{task}}"),
                unit="ops",
            ),
            lines(
                "Share that failed, by task",
                (failed(TASK, by="task"), "{{task}}"),
                unit="percentunit",
                most=1.0,
            ),
            lines(
                "Attempts beyond one each",
                (each_second("job_retries_total", TASK, by="task"), "{{task}}"),
                unit="ops",
            ),
            lines(
                "Failures by cause",
                (
                    most(10, rise("cause_failures_total", TASK, by="task, fingerprint")),
                    "{{task}} {{fingerprint}}",
                ),
                says="The console's page of errors has each cause by its fingerprint.",
            ),
            lines(
                "Run time",
                (within(0.5, "job_run_seconds", TASK), "p50"),
                (within(0.95, "job_run_seconds", TASK), "p95"),
                (within(0.99, "job_run_seconds", TASK), "p99"),
                unit="s",
            ),
            lines(
                "95 % run no longer, by task",
                (most(10, within(0.95, "job_run_seconds", TASK, by="task")), "{{task}}"),
                unit="s",
            ),
        ),
    ),
    Row(
        "What waits",
        (
            lines(
                "Jobs that wait",
                (at("queue_jobs", QUEUE), "{{queue}}"),
                says="No priority of a queue is counted beyond 10,000.",
            ),
            lines(
                "The oldest waits for",
                (at("queue_oldest_seconds", QUEUE), "{{queue}}"),
                unit="s",
            ),
            lines("By priority", (at("queue_priority_jobs", QUEUE), "{{queue}} {{priority}}")),
            lines(
                "95 % waited no longer",
                (within(0.95, "job_wait_seconds", QUEUE, by="queue"), "{{queue}}"),
                unit="s",
            ),
            lines(
                "Held",
                (at("jobs_held"), "held for later"),
                (at("jobs_overdue"), "due, not published"),
            ),
            lines(
                "In the ledger and on the broker",
                (f"sum({at('queue_jobs', QUEUE)})", "queued"),
                (f"sum({at('broker_queue_messages', QUEUE)})", "messages"),
                says="Messages that are missing are published again.",
            ),
            lines(
                "Limits",
                (at("limit_taken"), "{{limit}} taken"),
                (at("limit_slots"), "{{limit}} lets in"),
                (at("limit_waiting_jobs"), "{{limit}} waiting"),
            ),
            lines("Paused queues", (at("queue_paused"), "{{queue}}"), most=1.0),
        ),
    ),
    Row(
        "Who works",
        (
            lines("Workers", (at("workers"), "{{state}}"), stacked=True),
            lines(
                "Slots and jobs",
                (f"sum({at('worker_slots')})", "slots"),
                (f"sum({at('worker_jobs')})", "jobs claimed"),
                says="Short jobs are claimed ahead of a free slot.",
            ),
            lines(
                "Memory of workers",
                (at("worker_memory_bytes"), "{{worker}}"),
                unit="bytes",
                says="Pages that processes share count for each of them.",
            ),
            lines(
                "Largest process of each",
                (at("worker_largest_process_bytes"), "{{worker}}"),
                unit="bytes",
            ),
            lines(
                "Since the last heartbeat",
                (at("worker_beat_age_seconds"), "{{worker}}"),
                unit="s",
            ),
            lines(
                "Healing",
                (rise("jobs_rescued_total"), "given back"),
                (rise("jobs_republished_total"), "published again"),
                (rise("worker_stalls_total"), "stalls"),
                (rise("worker_leases_lost_total"), "leases lost"),
            ),
            lines(
                "Workers by queue",
                (at("queue_workers", QUEUE), "{{queue}} has"),
                (at("desired_workers", QUEUE), "{{queue}} should have"),
            ),
            lines("Running by queue", (at("queue_running_jobs", QUEUE), "{{queue}}"), stacked=True),
        ),
    ),
    Row(
        "Schedules and strangers",
        (
            lines("Overdue", (f"{at('schedule_overdue_seconds')} > 0", "{{schedule}}"), unit="s"),
            lines(
                "Due times",
                (rise("occurrences_total", by="outcome"), "{{outcome}}"),
                stacked=True,
            ),
            lines(
                "Schedulers",
                (at("schedulers"), "schedulers"),
                (at("schedules"), "schedules"),
            ),
            lines(
                "Messages that are not ours",
                (rise("messages_suspected_total", by="kind"), "{{kind}}"),
            ),
        ),
    ),
    Row(
        "Alerts by our own rules",
        (
            lines("Firing", (f"{at('alerts_firing')} > 0", "{{kind}} {{severity}}"), stacked=True),
            lines(
                "Since somebody looked last",
                (at("alert_look_age_seconds"), "last look"),
                unit="s",
                says="Beyond some minutes nobody would be told of anything.",
            ),
            lines(
                "Messages",
                (rise("alert_messages_sent_total", by="channel"), "{{channel}} took"),
                (rise("alert_messages_failed_total", by="channel"), "{{channel}} did not take"),
            ),
            lines("Messages that wait", (at("alert_messages_waiting"), "{{channel}}")),
        ),
    ),
    Row(
        "Services",
        (
            lines(
                "Memory of Redis",
                (at("broker_memory_bytes"), "used"),
                (at("broker_memory_max_bytes"), "maxmemory"),
                unit="bytes",
            ),
            lines(
                "Redis",
                (at("broker_clients"), "clients"),
                (rise("broker_evicted_keys_total"), "evicted keys"),
            ),
            lines("Redis answers within", (at("broker_answer_seconds"), "answer"), unit="s"),
            lines(
                "Connections of the database",
                (at("database_connections"), "taken"),
                (at("database_connections_max"), "most"),
            ),
            lines("Tables", (most(8, at("table_bytes")), "{{table}}"), unit="bytes", stacked=True),
            lines(
                "Rows that a vacuum could take away",
                (most(8, at("table_rows", f'{HERE}, kind="dead"')), "{{table}}"),
            ),
            lines(
                "How long reading these numbers takes",
                (at("metrics_part_seconds"), "{{part}}"),
                unit="s",
                stacked=True,
            ),
            lines("Parts that can be read", (at("metrics_part_up"), "{{part}}"), most=1.0),
        ),
    ),
)
