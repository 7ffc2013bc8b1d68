"""What Celery's settings add up to: results, limits, acknowledgement, shutdown, zones, serializers, names."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Mapping
from typing import Any

from django.apps import apps

from holdfast.dispatch.app import Celery
from holdfast.doctor.findings import Finding, define
from holdfast.doctor.look import Look
from holdfast.doctor.probing import probe
from holdfast.doctor.wording import counted, lasting, named, shortened
from holdfast.exceptions import ConfigurationError

EAGER = define(
    "holdfast.W230",
    title="Eager mode is on, beside DEBUG: tasks run inside their caller",
    leads_to="Nothing is recorded, nothing is retried by a worker, and a web request takes as long as its tasks.",
    repair="Remove CELERY_TASK_ALWAYS_EAGER; in the settings of tests alone it is at its place.",
)
KEPT_FOR_EVER = define(
    "holdfast.W231",
    title="Finished jobs are kept for ever",
    leads_to="The ledger's tables grow without bound: backups, vacuum and the console become slower.",
    repair="CELERY_RESULT_EXPIRES = 86400, or a retention by task in HOLDFAST['keep'].",
)
SOFT_AFTER_HARD = define(
    "holdfast.W232",
    title="A soft time limit does not come before the hard one",
    leads_to="SoftTimeLimitExceeded is never raised: the body cannot tidy up before its process is ended.",
    repair="Let soft_time_limit be some seconds shorter than time_limit.",
)
REJECT_WITHOUT_LATE = define(
    "holdfast.W233",
    title="task_reject_on_worker_lost without task_acks_late does nothing",
    leads_to="Messages of durable=False tasks are acknowledged before they run: lost with their process.",
    repair="Let the task be durable (remove durable=False), or set CELERY_TASK_ACKS_LATE = True as well.",
)
POISON_LOOP = define(
    "holdfast.W234",
    title="A task that kills its process is delivered again without end",
    leads_to="One such message takes down one process after the other; no count ends it.",
    repair="Let the task be durable (remove durable=False): it is dead after HOLDFAST['max_lost_attempts'] losses. Or "
    "set CELERY_TASK_RETRY_ON_WORKER_LOST = True.",
)
VISIBLE_TOO_SOON = define(
    "holdfast.W235",
    title="The visibility timeout is shorter than a task may run",
    leads_to="Redis gives the message to a second worker while the first still runs it: it is done twice.",
    repair="Let the task be durable (remove durable=False), for which there is no such timeout. Or raise "
    'CELERY_BROKER_TRANSPORT_OPTIONS["visibility_timeout"] above the longest run.',
)
STOPPED_TOO_SOON = define(
    "holdfast.W236",
    title="The soft shutdown takes longer than the supervisor waits",
    leads_to="The worker is killed in the middle of it: its running jobs count as lost and begin again.",
    repair="Let CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT be at least 5 s shorter than terminationGracePeriodSeconds, "
    "TimeoutStopSec or stopwaitsecs; where deploy files are rendered, no longer than their HOLDFAST_STOP_SECONDS.",
)
OTHER_ZONE = define(
    "holdfast.W237",
    title="Crontab schedules go by another time zone than Django",
    leads_to="crontab(hour=9) is due at nine of the other zone.",
    repair="CELERY_TIMEZONE = TIME_ZONE, or a timezone in the entry.",
)
NOT_ACCEPTED = define(
    "holdfast.E238",
    title="What is sent is not accepted",
    leads_to="Each job becomes dead with the reason 'undecodable'.",
    repair="Let CELERY_ACCEPT_CONTENT name CELERY_TASK_SERIALIZER and CELERY_RESULT_SERIALIZER.",
)
NO_SUCH_SETTING = define(
    "holdfast.W239",
    title="A setting of Celery's is misspelt",
    leads_to="It has no effect: the default holds.",
    repair="Correct its name.",
)
NO_SUCH_QUEUE = define(
    "holdfast.W240",
    title="A route leads to a queue that CELERY_TASK_QUEUES does not name",
    leads_to="Where missing queues are made, a worker without -Q does not serve it. Where they are not, the call "
    "raises.",
    repair="Correct the route, or add the queue to CELERY_TASK_QUEUES.",
)
OTHER_TRANSACTION = define(
    "holdfast.W241",
    title="Requests run in a transaction of another database than the ledger's",
    leads_to="A job is recorded though its request's transaction rolls back: the ledger's is another one.",
    repair='Put the ledger where the data is: HOLDFAST["database"] = the alias with ATOMIC_REQUESTS.',
)
AHEAD_FOR_LONG = define(
    "holdfast.W242",
    title="Workers claim more work ahead than they get done in a lease",
    leads_to="Jobs wait in one worker while others are idle, and all of them wait for its lease if it dies.",
    repair='Remove HOLDFAST["claim_ahead_seconds"]; the default is 0.05.',
)
OTHER_AUTOSCALER = define(
    "holdfast.W243",
    title="Celery's own autoscaler is chosen",
    leads_to="With --autoscale a pool stays at its lower bound: a worker never reserves more jobs than it has slots.",
    repair="Remove CELERY_WORKER_AUTOSCALER: the default follows how much waits in the ledger.",
)
# Where a supervisor's patience may be written for the process to know.
GRACES = ("TERMINATION_GRACE_PERIOD_SECONDS", "TIMEOUT_STOP_SEC", "STOPWAITSECS")
MARGIN = 5.0
VISIBILITY = 3600.0
STOCK_AUTOSCALERS = {"celery.worker.autoscale:Autoscaler", "celery.worker.autoscale.Autoscaler"}


@probe(
    area="celery",
    finds=[EAGER, KEPT_FOR_EVER, STOPPED_TOO_SOON, AHEAD_FOR_LONG, OTHER_AUTOSCALER],
    live=False,
)
def life_of_a_job(look: Look) -> Iterator[Finding]:
    """Settings of where jobs run, how far ahead they are claimed, how workers stop, how long jobs are kept."""
    conf = look.conf
    # Where DEBUG is off the check holdfast.E006 says so, as an error.
    if conf.task_always_eager and look.django.DEBUG:
        yield EAGER.seen("CELERY_TASK_ALWAYS_EAGER is True.")
    if not conf.result_expires:
        yield KEPT_FOR_EVER.seen(f"CELERY_RESULT_EXPIRES is {conf.result_expires!r}.")
    yield from _soft_stop(look, float(conf.worker_soft_shutdown_timeout or 0))
    ahead, lease = look.settings.claim_ahead_seconds, look.settings.lease_seconds
    if ahead >= lease:
        yield AHEAD_FOR_LONG.seen(
            f"HOLDFAST['claim_ahead_seconds'] is {ahead:g}, HOLDFAST['lease_seconds'] {lease:g}."
        )
    # Of an app that is not ours another finding tells.
    if isinstance(look.app, Celery) and str(conf.worker_autoscaler) in STOCK_AUTOSCALERS:
        yield OTHER_AUTOSCALER.seen(f"CELERY_WORKER_AUTOSCALER is {conf.worker_autoscaler!r}.")


@probe(
    area="celery",
    finds=[SOFT_AFTER_HARD, REJECT_WITHOUT_LATE, POISON_LOOP, VISIBLE_TOO_SOON],
    live=False,
)
def options_of_tasks(look: Look) -> Iterator[Finding]:
    """Options of each task that contradict each other, or do harm where the ledger does not care for it."""
    from holdfast.doctor.sending import project_tasks

    tasks = project_tasks(look)
    for name, task in tasks.items():
        hard = task.time_limit or look.conf.task_time_limit
        soft = task.soft_time_limit or look.conf.task_soft_time_limit
        if hard and soft and soft >= hard:
            yield SOFT_AFTER_HARD.seen(
                f"{name}: soft {soft:g} s, hard {hard:g} s.",
                about=name,
                task=name,
                soft=soft,
                hard=hard,
            )
    plain = [task for task in tasks.values() if not _is_durable(look, task)]
    lost = [task for task in plain if task.reject_on_worker_lost]
    if early := [task.name for task in lost if not task.acks_late]:
        yield REJECT_WITHOUT_LATE.seen(f"{named(early)}.", tasks=shortened(early))
    late = [task.name for task in lost if task.acks_late]
    if late and not look.conf.get("task_retry_on_worker_lost"):
        yield POISON_LOOP.seen(
            f"durable=False, acks_late and reject_on_worker_lost together: {named(late)}.",
            tasks=shortened(late),
        )
    options = look.conf.broker_transport_options or {}
    timeout = float(options.get("visibility_timeout", VISIBILITY))
    for task in plain:
        longest = task.time_limit or look.conf.task_time_limit
        if task.acks_late and (longest is None or longest > timeout):
            bound = (
                "it has no time limit" if longest is None else f"its time limit is {longest:g} s"
            )
            yield VISIBLE_TOO_SOON.seen(
                f"{task.name}: durable=False and acks_late, {bound}; visibility_timeout is {timeout:g} s.",
                about=task.name,
                task=task.name,
            )


@probe(area="celery", finds=[NOT_ACCEPTED, NO_SUCH_SETTING, OTHER_ZONE], live=False)
def names_and_zones(look: Look) -> Iterator[Finding]:
    """Serializers against what is accepted, names of settings against those there are, Celery's zone and Django's."""
    from kombu.serialization import prepare_accept_content

    conf = look.conf
    accepted = prepare_accept_content(conf.accept_content) or set()
    for setting in ("task_serializer", "result_serializer"):
        kind = prepare_accept_content([conf[setting]]) or set()
        if accepted and not kind <= accepted:
            yield NOT_ACCEPTED.seen(
                f"CELERY_{setting.upper()} is {conf[setting]!r}, CELERY_ACCEPT_CONTENT is {conf.accept_content!r}.",
                about=setting,
            )
    for name, near in _misspelt(look.django):
        yield NO_SUCH_SETTING.seen(
            f"{name} is no setting of Celery's.", repair=f"Write {near}.", about=name, setting=name
        )
    crontabs = [
        name
        for name, entry in (conf.beat_schedule or {}).items()
        if hasattr(_entry(entry).get("schedule"), "month_of_year")
        and not _entry(entry).get("timezone")
    ]
    if crontabs and str(look.app.timezone) != look.django.TIME_ZONE:
        yield OTHER_ZONE.seen(
            f"Celery's is {look.app.timezone}, TIME_ZONE is {look.django.TIME_ZONE!r}: {named(crontabs)}.",
            repair=f'CELERY_TIMEZONE = "{look.django.TIME_ZONE}"',
            schedules=shortened(crontabs),
        )


@probe(area="celery", finds=[NO_SUCH_QUEUE], live=False)
def routes_lead_somewhere(look: Look) -> Iterator[Finding]:
    """Queues of routes and tasks, against those that are declared."""
    from holdfast.doctor.sending import queues_sent_to

    declared = {str(getattr(queue, "name", queue)) for queue in look.conf.task_queues or ()}
    if not declared:
        return
    unknown = queues_sent_to(look) - declared - {look.conf.task_default_queue}
    made = look.conf.task_create_missing_queues
    for queue in sorted(unknown):
        what = "is made when it is used" if made else "cannot be used"
        yield NO_SUCH_QUEUE.seen(
            f"{queue!r} is not among {counted(len(declared), 'declared queue')} ({named(sorted(declared))}), and "
            f"{what}.",
            about=queue,
            queue=queue,
        )


@probe(area="database", finds=[OTHER_TRANSACTION], live=False)
def requests_share_the_ledgers_transaction(look: Look) -> Iterator[Finding]:
    """Which databases wrap a request in a transaction."""
    ledger = look.settings.database
    atomic = sorted(
        alias for alias, one in look.django.DATABASES.items() if one.get("ATOMIC_REQUESTS")
    )
    if atomic and ledger not in atomic:
        yield OTHER_TRANSACTION.seen(
            f"ATOMIC_REQUESTS is on for {named(map(repr, atomic))}; the ledger is in {ledger!r}.",
            aliases=atomic,
        )


def _soft_stop(look: Look, soft: float) -> Iterator[Finding]:
    """Hold the soft shutdown against what the supervisor says, and against what the project's deploy files say."""
    described = _described_stops(look) if soft else {}
    shortest = min(described.values(), default=None)
    for name in GRACES:
        said = os.environ.get(name, "")
        if said.replace(".", "", 1).isdigit() and 0 < float(said) <= soft:
            most = max(0.0, float(said) - MARGIN)
            most = most if shortest is None else min(most, shortest)
            yield STOPPED_TOO_SOON.seen(
                f"CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT is {lasting(soft)}, {name} says {said}.",
                repair=f"CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = {most:g}",
                soft_seconds=soft,
                grace_seconds=float(said),
                advised_seconds=most,
            )
    if shortest is not None and shortest < soft:
        late = [f"{pool} ({lasting(most)})" for pool, most in described.items() if most < soft]
        yield STOPPED_TOO_SOON.seen(
            f"CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT is {lasting(soft)}; as HOLDFAST['deploy'] describes them, stops give "
            f"jobs back sooner: {named(late)}.",
            repair=f"CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = {shortest}, or a longer grace_seconds of those pools in "
            "HOLDFAST['deploy']['pools'] and: manage.py holdfast render",
            about="deploy",
            soft_seconds=soft,
            stop_seconds=described,
            advised_seconds=shortest,
        )


def _described_stops(look: Look) -> Mapping[str, int]:
    from holdfast.doctor.sending import project_tasks

    # Loaded by one thread for all that ask.
    project_tasks(look)
    # The app knows deploy files, which are a floor above.
    config: Any = apps.get_app_config("holdfast")
    try:
        return dict(config.stop_seconds())
    except ConfigurationError:  # `holdfast render` says what is wrong with it
        return {}


def _is_durable(look: Look, task: Any) -> bool:
    durable = getattr(task, "durable", None)
    return look.settings.durable if durable is None else bool(durable)


def _misspelt(settings: Any) -> Iterator[tuple[str, str]]:
    from celery.app.defaults import NAMESPACES, flatten

    known = {f"CELERY_{name.upper()}" for name, _ in flatten(NAMESPACES)}
    known |= {"CELERY_DB_REUSE_MAX", "CELERY_DB_REUSE_TIME"}
    for name in dir(settings):
        if name.startswith("CELERY_") and name not in known:
            # One that is like nothing may be the project's own.
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.88)
            if near:
                yield name, near[0]


def _entry(entry: Any) -> dict[str, Any]:
    return entry if isinstance(entry, dict) else {}
