"""How a running site moves in two steps, and back: with its own names and commands."""

from __future__ import annotations

from dataclasses import dataclass

from holdfast.adoption.facts import Project


@dataclass(frozen=True, slots=True)
class Step:
    """One release, or what comes before and after it."""

    title: str
    does: tuple[str, ...]


_BEFORE = (
    "Put what is told as STOPS and CHANGE below in order, on plain Celery.",
    "Once patch 1 is in your branch: python manage.py check, and python manage.py holdfast doctor.",
)
_FIRST = (
    "Apply patch 1 and release it to everything: python manage.py migrate, workers, web, beat.",
    (
        "Every job is a message of plain Celery still. Old and new processes run side by side, in any order and for as "
        "long as you like: each runs what the other sends."
    ),
)
_FIRST_BACK = (
    "Watch: python manage.py holdfast workers --check; the error rate is what it was.",
    "Back: release the version before. There is nothing in the ledger yet.",
)
_SECOND = (
    (
        "Only when no process without Holdfast runs any more: such a worker drops what it cannot read. The job is "
        "published again, and waits for a worker that can."
    ),
    "Apply patch 2 and release it to the workers first, then to web and beat.",
)
_SECOND_BACK = (
    "Watch: python manage.py holdfast top; python manage.py holdfast doctor --deploy.",
    (
        "Back: take patch 2 back and release that. What is recorded runs to its end, for the processes of step 1 run "
        "it; what is new is plain Celery. Go back behind step 1 only when `python manage.py holdfast drain "
        "--include-scheduled` says that nothing is left."
    ),
)
_AFTERWARDS = (
    "Remove what is no longer needed, one thing at a time: see GAIN below.",
    'Then HOLDFAST = {"unsigned": "refuse"}: nothing runs but what was recorded or signed.',
)


def steps(project: Project) -> list[Step]:
    """Return the steps of the roll-out, and the way back from each."""
    workers = [one for one in project.commands if one.kind == "worker"]
    queues = sorted(
        {queue for one in workers for queue in one.option("-Q", "--queues").split(",")} - {""}
    )
    named = f" (queues {', '.join(queues)})" if queues else ""
    started = workers[0].place.text if workers else "celery -A yourproject worker"
    beats = [one for one in project.commands if one.kind == "beat"]
    embedded = next((one for one in workers if {"-B", "--beat"} & set(one.words)), None)
    if any(isinstance(one.value, str) for one in project.of("beat_scheduler")):
        scheduler = "The scheduler is chosen by a setting, which patch 2 changes; start a second one, if you like."
    elif beats:
        at = f"{beats[0].place.file}, line {beats[0].place.line}"
        scheduler = f"Start the scheduler with -S holdfast.beat:Scheduler ({at}); start a second one, if you like."
    else:
        scheduler = "Start celery beat with -S holdfast.beat:Scheduler, if you have schedules."
    stop_embedded = (
        [f"End -B of the worker ({embedded.place.file}, line {embedded.place.line}) first."]
        if embedded
        else []
    )
    return [
        Step("Before", _BEFORE),
        Step(
            "Step 1: the same jobs, in processes that know Holdfast",
            (*_FIRST, f"Workers are started as before: {started}{named}.", *_FIRST_BACK),
        ),
        Step("Step 2: jobs become durable", (*_SECOND, *stop_embedded, scheduler, *_SECOND_BACK)),
        Step("Afterwards", _AFTERWARDS),
    ]
