"""The names of all metrics, with their labels, units and meanings: a contract, which dashboards and alerts rely on.

`docs/reference/metrics.md` is made from this list. A name is not given another meaning; one that goes stays in the
list of changes for a release. Units are base units, seconds and bytes; what only rises ends in `_total`.
"""

from __future__ import annotations

from holdfast.ledger.alert_kinds import KINDS, SEVERITIES
from holdfast.metrics.bounds import (
    BUCKETS,
    MOST_CAUSES,
    MOST_CHANNELS,
    MOST_COUNTED,
    MOST_LETTERS,
    MOST_LIMITS,
    MOST_NAMED,
    MOST_QUEUES,
    MOST_SCHEDULES,
    MOST_TABLES,
    MOST_WORKERS,
    PREFIX,
    Kind,
    Metric,
)

CONTRACT: dict[str, Metric] = {}


def _metric(kind: Kind, name: str, says: str, *labels: str, most: int = 1) -> Metric:
    found = Metric(name=PREFIX + name, kind=kind, says=says, labels=labels, most=most)
    CONTRACT[found.name] = found
    return found


INFO = _metric(
    "info", "build_info", "The release of Holdfast in the process that answers.", "version"
)

# -- of the sums: they rise once a minute, and never fall ---------------------------------------------

RECORDED = _metric(
    "counter",
    "jobs_recorded_total",
    "Jobs that were recorded, by the time in their ids; half a minute late. Steps of workflows, and calls under an id "
    "of the caller's own, are counted with their end.",
    "task",
    most=MOST_NAMED,
)
QUEUE_RECORDED = _metric(
    "counter",
    "queue_jobs_recorded_total",
    "The same by queue.",
    "queue",
    most=MOST_NAMED,
)
ENDED = _metric(
    "counter",
    "jobs_ended_total",
    "Jobs that ended: succeeded, failed (or dead), cancelled (or expired). Counted once a minute, ten seconds "
    "after its end.",
    "task",
    "outcome",
    most=3 * MOST_NAMED,
)
QUEUE_ENDED = _metric(
    "counter",
    "queue_jobs_ended_total",
    "The same by queue.",
    "queue",
    "outcome",
    most=3 * MOST_NAMED,
)
RETRIED = _metric(
    "counter",
    "job_retries_total",
    "Attempts that jobs took beyond one each, counted at their end.",
    "task",
    most=MOST_NAMED,
)
RUN = _metric(
    "histogram",
    "job_run_seconds",
    "How long the last attempt of a job ran that succeeded or failed.",
    "task",
    most=MOST_NAMED * (len(BUCKETS) + 3),
)
WAIT = _metric(
    "histogram",
    "job_wait_seconds",
    "How long a job that succeeded or failed had waited for a worker since it was put on the broker. "
    "Its sum is an estimate, an eighth off at most.",
    "queue",
    most=MOST_NAMED * (len(BUCKETS) + 3),
)
RESCUED = _metric("counter", "jobs_rescued_total", "Jobs of lost workers that were given back.")
REPUBLISHED = _metric(
    "counter",
    "jobs_republished_total",
    "Queued jobs that the broker did not hold and that were published again.",
)
STALLS = _metric(
    "counter",
    "worker_stalls_total",
    "How often a worker found that it takes nothing though it should.",
)
LEASES_LOST = _metric(
    "counter", "worker_leases_lost_total", "How often a worker found that its lease was taken away."
)
SUSPECTED = _metric(
    "counter",
    "messages_suspected_total",
    "Messages that were not ours, or not as they were sent, by what was wrong.",
    "kind",
    most=10,
)
DECIDED = _metric(
    "counter",
    "occurrences_total",
    "Due times of schedules that were decided: fired, skipped, missed or failed.",
    "outcome",
    most=4,
)

# -- failures ---------------------------------------------------------------------------------------

CAUSE = _metric(
    "counter",
    "cause_failures_total",
    f"Attempts that failed, by their cause: of the {MOST_CAUSES} causes that something failed for last. "
    "The exemplar is one of the jobs.",
    "task",
    "fingerprint",
    most=MOST_CAUSES,
)
DEAD_LETTERS = _metric(
    "gauge",
    "dead_letters",
    f"Failed and dead jobs that nobody has replayed or discarded, up to {MOST_COUNTED:,}.",
)
CAUSE_LETTERS = _metric(
    "gauge",
    "cause_dead_letters",
    f"Dead letters of the last 24 hours by their cause: of the {MOST_LETTERS} largest groups.",
    "task",
    "fingerprint",
    most=MOST_LETTERS,
)

# -- what waits -------------------------------------------------------------------------------------

QUEUED = _metric(
    "gauge",
    "queue_jobs",
    f"Jobs that wait for a worker, by queue; no priority of one is counted beyond {MOST_COUNTED:,}.",
    "queue",
    most=MOST_QUEUES,
)
PRIORITY_QUEUED = _metric(
    "gauge",
    "queue_priority_jobs",
    "The same for each priority that has some.",
    "queue",
    "priority",
    most=MOST_QUEUES * 10,
)
OLDEST = _metric(
    "gauge",
    "queue_oldest_seconds",
    "How long the job that waits longest has waited since it was put on the broker; 0: none waits.",
    "queue",
    most=MOST_QUEUES,
)
PRIORITY_OLDEST = _metric(
    "gauge",
    "queue_priority_oldest_seconds",
    "The same for each priority that has some.",
    "queue",
    "priority",
    most=MOST_QUEUES * 10,
)
RUNNING = _metric(
    "gauge",
    "queue_running_jobs",
    "Jobs that a worker has claimed, by queue.",
    "queue",
    most=MOST_QUEUES,
)
SERVED = _metric(
    "gauge",
    "queue_workers",
    "Live workers that take jobs from the queue; one that is stalled takes none.",
    "queue",
    most=MOST_QUEUES,
)
DESIRED = _metric(
    "gauge",
    "desired_workers",
    "How many workers the queue should have, for whatever starts and ends them: by what waits, and for how long.",
    "queue",
    most=MOST_QUEUES,
)
PAUSED = _metric(
    "gauge", "queue_paused", "1 for each queue that somebody has paused.", "queue", most=MOST_QUEUES
)
HELD = _metric(
    "gauge",
    "jobs_held",
    f"Jobs that are held for a moment to come: an ETA, a retry; up to {MOST_COUNTED:,}.",
)
OVERDUE = _metric(
    "gauge",
    "jobs_overdue",
    f"Held jobs whose moment has come and that are not published yet, up to {MOST_COUNTED:,}.",
)
PUBLISH_LAG = _metric(
    "gauge",
    "publish_lag_seconds",
    "How long the first of them has been due; 0: all that is due is published.",
)

# -- who works --------------------------------------------------------------------------------------

WORKERS = _metric(
    "gauge",
    "workers",
    "Workers by state: serving, stopping, stalled; lost: the lease ran out in the last quarter of an hour, and none of "
    "its name is back (frozen, killed or cut off).",
    "state",
    most=4,
)
SLOTS = _metric(
    "gauge",
    "worker_slots",
    "Jobs that a live worker runs at once.",
    "worker",
    "pool",
    most=MOST_WORKERS,
)
CLAIMED = _metric(
    "gauge",
    "worker_jobs",
    "Jobs that it has claimed: those that run, and short ones ahead of a free slot.",
    "worker",
    most=MOST_WORKERS,
)
BEAT = _metric(
    "gauge",
    "worker_beat_age_seconds",
    "How long ago a live worker renewed its lease.",
    "worker",
    most=MOST_WORKERS,
)
MEMORY = _metric(
    "gauge",
    "worker_memory_bytes",
    "What all processes of a worker have in memory (RSS); what they share counts for each. Told once a minute at most.",
    "worker",
    most=MOST_WORKERS,
)
LARGEST = _metric(
    "gauge",
    "worker_largest_process_bytes",
    "What the largest of them has.",
    "worker",
    most=MOST_WORKERS,
)
UPKEEP = _metric(
    "gauge",
    "upkeep_held",
    "1 while a worker has the duty of upkeep: publishes what is due, gives back what is lost.",
)
SCHEDULERS = _metric(
    "gauge", "schedulers", "Scheduler processes that live, the leading one among them."
)
SCHEDULER_LEADS = _metric("gauge", "scheduler_leads", "1 while one of them leads.")
SCHEDULES = _metric("gauge", "schedules", "Schedules that are switched on.")
SCHEDULE_OVERDUE = _metric(
    "gauge",
    "schedule_overdue_seconds",
    "For how long the next due time of a schedule has been past undecided; 0: it is to come.",
    "schedule",
    most=MOST_SCHEDULES,
)
LIMIT = _metric(
    "gauge",
    "limit_slots",
    "How much a limit lets in at once, where it says so.",
    "limit",
    most=MOST_LIMITS,
)
LIMIT_TAKEN = _metric("gauge", "limit_taken", "How much of it is taken.", "limit", most=MOST_LIMITS)
LIMIT_WAITING = _metric(
    "gauge",
    "limit_waiting_jobs",
    f"Jobs that wait for it, up to {MOST_COUNTED:,}.",
    "limit",
    most=MOST_LIMITS,
)

# -- the services -----------------------------------------------------------------------------------

DATABASE_UP = _metric("gauge", "database_up", "1 while the ledger's database answers.")
CONNECTIONS = _metric(
    "gauge",
    "database_connections",
    "Connections that count against the narrowest limit; PostgreSQL alone.",
)
MOST_CONNECTIONS = _metric(
    "gauge",
    "database_connections_max",
    "That limit: of the server, the database or the role; PostgreSQL alone.",
)
TABLE_BYTES = _metric(
    "gauge",
    "table_bytes",
    "What a table of the ledger takes on the disk with its indexes; PostgreSQL alone.",
    "table",
    most=MOST_TABLES,
)
TABLE_ROWS = _metric(
    "gauge",
    "table_rows",
    "Rows of it, and row versions that a vacuum could take away (live, dead), as the server estimates them.",
    "table",
    "kind",
    most=2 * MOST_TABLES,
)
BROKER_UP = _metric(
    "gauge", "broker_up", "1 while the broker takes messages from the process that answers."
)
BROKER_ANSWER = _metric("gauge", "broker_answer_seconds", "How long it took to answer.")
BROKER_MEMORY = _metric("gauge", "broker_memory_bytes", "What Redis uses of its memory.")
BROKER_MEMORY_MAX = _metric(
    "gauge", "broker_memory_max_bytes", "Its maxmemory; absent where it has none."
)
BROKER_CLIENTS = _metric("gauge", "broker_clients", "Clients that are connected to Redis.")
BROKER_EVICTED = _metric(
    "counter",
    "broker_evicted_keys_total",
    "Keys that Redis threw away for want of memory, since it started.",
)
BROKER_MESSAGES = _metric(
    "gauge",
    "broker_queue_messages",
    "Messages that lie on the broker, of queues that have jobs or workers. Less than queued jobs: some are lost, and "
    "are published again.",
    "queue",
    most=MOST_QUEUES,
)

# -- of alerts by our own rules: where HOLDFAST["alerts"] names a channel ------------------------------

ALERTS_FIRING = _metric(
    "gauge",
    "alerts_firing",
    "What fires by the rules of HOLDFAST['alerts'] and those that were added, by what the rule looks for.",
    "kind",
    "severity",
    most=len(KINDS) * len(SEVERITIES),
)
ALERT_LOOK = _metric(
    "gauge",
    "alert_look_age_seconds",
    "Since somebody looked at the rules last, from beginning to end; +Inf if nobody ever has, absent without a rule.",
)
MESSAGES_SENT = _metric(
    "counter",
    "alert_messages_sent_total",
    "Messages that a channel took.",
    "channel",
    most=MOST_CHANNELS,
)
MESSAGES_FAILED = _metric(
    "counter",
    "alert_messages_failed_total",
    "Tries to send a message that a channel did not take; it is tried again for a day.",
    "channel",
    most=MOST_CHANNELS,
)
MESSAGES_WAITING = _metric(
    "gauge",
    "alert_messages_waiting",
    "Messages of the last day that are not sent yet.",
    "channel",
    most=MOST_CHANNELS,
)

# -- of itself --------------------------------------------------------------------------------------

PART_UP = _metric(
    "gauge",
    "metrics_part_up",
    "1 if the numbers of a part could be read, else none of them is there.",
    "part",
    most=20,
)
PART_SECONDS = _metric(
    "gauge", "metrics_part_seconds", "How long it took to read them last.", "part", most=20
)
