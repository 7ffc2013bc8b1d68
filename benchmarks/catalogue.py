"""Which trials are taken side by side, and which figures are read off them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from benchmarks.stand import Contender
from benchmarks.trials import Trial, dispatch, drain, latency, memory, offered_load

DATABASES = ("postgres", "sqlite")
PLAIN, DURABLE = "benchmarks.project.plain", "benchmarks.project.durable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One row: a metric of a trial of Holdfast over a metric of a trial of Celery."""

    figure: str
    database: str
    variant: str
    holdfast: str
    celery: str
    metric: str = "rate"


@dataclass(frozen=True, slots=True)
class Round:
    """Trials that are interleaved, because their figures are compared."""

    trials: list[Trial]
    figures: list[Figure]

    def only(self, *, figure: str | None, databases: Iterable[str]) -> Round:
        """Keep the wanted figures, and the trials they need."""
        figures = [
            each
            for each in self.figures
            if figure in (None, each.figure) and each.database in databases
        ]
        needed = {name for each in figures for name in (each.holdfast, each.celery)}
        return replace(
            self, figures=figures, trials=[each for each in self.trials if each.name in needed]
        )


RAW = Contender(name="celery", app=PLAIN)
RAW_PREFETCH = Contender(name="celery, prefetch 32", app=PLAIN, prefetch=32)
REDIS_RESULTS = Contender(name="celery, Redis results", app=PLAIN, results="redis")


def holdfast(database: str) -> Contender:
    """Return Holdfast with its defaults on a database."""
    return Contender(name=f"holdfast on {database}", app=DURABLE, database=database)


def project(database: str, *, results: str = "") -> Contender:
    """Return a Django project on plain Celery."""
    return Contender(name=f"celery on {database}", app=PLAIN, database=database, results=results)


def rounds(*, quick: bool) -> list[Round]:
    """Return everything that is measured; quick is for a look, not for a figure."""
    few = 10 if quick else 1
    return [
        _drained(10_000 // few, effects=3_000 // few),
        _kept(5_000 // few, slow=2_000 // few),
        _threads(10_000 // few),
        _dispatched(5_000 // few, many=10_000 // few),
        _latency(500 // few),
        _memory(1_000 // few),
    ]


def _drained(count: int, *, effects: int) -> Round:
    """No result: against the fastest and least safe set-up Celery has."""
    plain = drain(task="noop", count=count)
    trials = [
        Trial(name="raw", contender=RAW, measure=plain),
        Trial(name="raw 32", contender=RAW_PREFETCH, measure=plain),
    ]
    figures = []
    for database in DATABASES:
        atomic = drain(task="effect", count=effects)
        trials += [
            Trial(name=f"noop {database}", contender=holdfast(database), measure=plain),
            Trial(name=f"atomic {database}", contender=holdfast(database), measure=atomic),
            Trial(name=f"effect {database}", contender=project(database), measure=atomic),
        ]
        common = f"prefork 2, {count} queued, Celery: ignore_result, early ack"
        atomic_jobs = f"prefork 2, {effects} queued, a row committed by each; Celery"
        for figure, variant, ours, theirs in (
            ("drain", f"{common}, prefetch 4", "noop", "raw"),
            ("drain", f"{common}, prefetch 32", "noop", "raw 32"),
            ("drain-atomic", f"{atomic_jobs}: no effect, as drain", "atomic", "raw"),
            ("drain-atomic", f"{atomic_jobs}: the same row", "atomic", f"effect {database}"),
        ):
            figures.append(
                Figure(
                    figure=figure,
                    database=database,
                    variant=variant,
                    holdfast=f"{ours} {database}",
                    celery=theirs,
                )
            )
    return Round(trials, figures)


def _kept(count: int, *, slow: int) -> Round:
    """Results kept: against results that Redis forgets, and against results in the same database."""
    kept = drain(task="kept", count=count)
    trials = [Trial(name="redis", contender=REDIS_RESULTS, measure=kept)]
    figures = []
    for database in DATABASES:
        installed = project(database, results="django-db")
        theirs = drain(task="kept", count=slow)
        trials += [
            Trial(name=f"kept {database}", contender=holdfast(database), measure=kept),
            Trial(name=f"installed {database}", contender=installed, measure=theirs),
        ]
        ours = f"kept {database}"
        figures += [
            Figure(
                figure="drain-results",
                database=database,
                variant=f"prefork 2, {count} queued, Celery: results in Redis",
                holdfast=ours,
                celery="redis",
            ),
            Figure(
                figure="drain-django-results",
                database=database,
                variant=f"prefork 2, {count} queued, Celery: django-celery-results, {slow} queued",
                holdfast=ours,
                celery=f"installed {database}",
            ),
        ]
    return Round(trials, figures)


def _threads(count: int) -> Round:
    threads = drain(task="noop", count=count, pool="threads", slots=8)
    trials = [Trial(name="threads", contender=RAW, measure=threads)]
    figures = []
    for database in DATABASES:
        name = f"threads {database}"
        trials.append(Trial(name=name, contender=holdfast(database), measure=threads))
        figures.append(
            Figure(
                figure="drain-threads",
                database=database,
                variant=f"8 threads, {count} queued, Celery: ignore_result, early ack",
                holdfast=name,
                celery="threads",
            )
        )
    return Round(trials, figures)


def _dispatched(count: int, *, many: int) -> Round:
    loop = dispatch(way="loop", count=count)
    trials = [Trial(name="delay", contender=RAW, measure=loop)]
    figures = []
    for database in DATABASES:
        for figure, variant, measure in (
            ("dispatch-loop", f"{count} x delay(), autocommit", loop),
            (
                "dispatch-transaction",
                f"{count} x delay(), 500 in a transaction",
                dispatch(way="transactions", count=count),
            ),
            (
                "dispatch-bulk",
                f"apply_many() of {many} against a loop of delay()",
                dispatch(way="bulk", count=many),
            ),
            (
                "dispatch-nondurable",
                f"{count} x delay() of a task with durable=False",
                dispatch(way="loop", count=count, task="fleeting"),
            ),
        ):
            name = f"{figure} {database}"
            trials.append(Trial(name=name, contender=holdfast(database), measure=measure))
            figures.append(
                Figure(
                    figure=figure,
                    database=database,
                    variant=variant,
                    holdfast=name,
                    celery="delay",
                )
            )
    return Round(trials, figures)


def _latency(count: int) -> Round:
    paced = latency(count=count)
    trials = [Trial(name="latency", contender=RAW, measure=paced)]
    figures = []
    for database in DATABASES:
        name = f"latency {database}"
        trials.append(Trial(name=name, contender=holdfast(database), measure=paced))
        figures += [
            Figure(
                figure=f"latency-{metric}-ms",
                database=database,
                variant=f"offered load {offered_load()}, {count} jobs, prefork 2, dispatch to body",
                holdfast=name,
                celery="latency",
                metric=metric,
            )
            for metric in ("p50", "p99")
        ]
    return Round(trials, figures)


def _memory(count: int) -> Round:
    """Against the same Django project on plain Celery: Django itself is nobody's extra."""
    trials, figures = [], []
    parts = (
        ("prefork", 2, "process", "prefork 2, mean of main process and children"),
        ("prefork", 2, "main", "prefork 2, main process"),
        ("prefork", 2, "child", "prefork 2, one child"),
        ("threads", 8, "main", "8 threads, the one process"),
    )
    for database in DATABASES:
        for pool, slots in (("prefork", 2), ("threads", 8)):
            measure = memory(count=count, pool=pool, slots=slots)
            for contender in (project(database), holdfast(database)):
                name = f"{pool} memory of {contender.name}"
                trials.append(Trial(name=name, contender=contender, measure=measure))
        figures += [
            Figure(
                figure="memory-mib",
                database=database,
                variant=f"{what}, PSS after {count} jobs, Celery: same Django project",
                holdfast=f"{pool} memory of {holdfast(database).name}",
                celery=f"{pool} memory of {project(database).name}",
                metric=metric,
            )
            for pool, _, metric, what in parts
        ]
    return Round(trials, figures)


NAMES = sorted({each.figure for group in rounds(quick=False) for each in group.figures})
