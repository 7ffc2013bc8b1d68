"""The code of the workers against that of this process: tasks they lack, parameters that differ, other libraries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from holdfast.doctor.findings import Finding, define
from holdfast.doctor.look import Look
from holdfast.doctor.probing import probe
from holdfast.doctor.wording import counted, named, shortened

UNKNOWN_THERE = define(
    "holdfast.E508",
    title="A worker does not know a task that this code sends to its queue",
    leads_to="Those of its jobs that this worker takes become dead with the reason 'unknown task'.",
    repair="Deploy workers before those who send, and restart what runs old code. While both run: manage.py holdfast "
    "pause --task TASK.",
)
OTHER_PARAMETERS = define(
    "holdfast.W509",
    title="A worker has a task with other parameters than this code",
    leads_to="Calls that fit here may fail there with a TypeError, and the other way round.",
    repair="Deploy workers before those who send, with new parameters that have defaults; manage.py holdfast "
    "signatures compares with the jobs that wait.",
)
OTHER_LIBRARIES = define(
    "holdfast.W510",
    title="Workers stand on different versions of libraries",
    leads_to="What works on one may not on another; a fault that comes and goes is hard to find.",
    repair="Install the same lock file everywhere, and restart the workers that run the old one.",
)


@probe(
    area="workers",
    finds=[UNKNOWN_THERE, OTHER_PARAMETERS],
    after=["settings", "tables"],
    seconds=6.0,
)
def workers_have_this_code(look: Look) -> Iterator[Finding]:
    """What each worker wrote of its tasks when it registered, against the tasks of this process."""
    from holdfast.dispatch.code import code_of
    from holdfast.doctor.sending import project_tasks, queue_of
    from holdfast.ledger import releases
    from holdfast.ledger.reads import health

    codes = releases.of_live_workers()
    if not codes:
        return
    tasks = project_tasks(look)
    here = code_of(look.app).tasks
    served = {worker.name: set(worker.queues) for worker in health.workers()}
    lacking: dict[str, list[str]] = defaultdict(list)
    differing: dict[str, list[str]] = defaultdict(list)
    for task, parameters in here.items():
        queue = queue_of(look.app, tasks[task])
        for name in (name for name in codes if queue in served.get(name, ())):
            there = codes[name].tasks.get(task)
            if there is None:
                lacking[name].append(task)
            elif there != parameters:
                differing[name].append(f"{task}({there}) there, ({parameters}) here")
    for name, missing in lacking.items():
        yield UNKNOWN_THERE.seen(
            f"{name} lacks {counted(len(missing), 'task')} that go to its queues: {named(missing)}.",
            about=name,
            worker=name,
            tasks=shortened(missing),
        )
    for name, other in differing.items():
        yield OTHER_PARAMETERS.seen(
            f"{name}: {named(other)}.", about=name, worker=name, tasks=shortened(other)
        )


@probe(area="workers", finds=[OTHER_LIBRARIES], after=["settings", "tables"])
def workers_stand_on_the_same(look: Look) -> Iterator[Finding]:
    """Versions of libraries of the live workers."""
    del look
    from holdfast.ledger import releases

    versions: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for name, code in releases.of_live_workers().items():
        for library, version in code.versions.items():
            versions[library][version].append(name)
    for library, found in sorted(versions.items()):
        if len(found) > 1:
            said = "; ".join(
                f"{version} on {named(names)}" for version, names in sorted(found.items())
            )
            yield OTHER_LIBRARIES.seen(f"{library}: {said}.", about=library, library=library)
