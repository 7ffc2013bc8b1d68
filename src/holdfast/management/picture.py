"""What `manage.py holdfast top` draws: one frame, from one look."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from rich import box
from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from holdfast.console.snapshots import Snapshot, texts
from holdfast.console.tags import duration
from holdfast.ledger.reads.queue_reads import Queue
from holdfast.ledger.reads.worker_reads import LiveWorker

_BLOCKS = "▁▂▃▄▅▆▇█"
# Rows of a table; what is left out is said.
MOST_ROWS = 15
_COLOURS = {3: "red", 2: "yellow", 1: "cyan"}


def frame(
    snapshot: Snapshot,
    workers: Sequence[LiveWorker],
    *,
    rates: Iterable[float],
    depths: Iterable[float],
) -> RenderableType:
    """Return the picture of one look; `rates` and `depths` are those of the looks before it, oldest first."""
    parts: list[RenderableType] = [_head(snapshot), _figures(snapshot, rates, depths)]
    if snapshot.troubles:
        parts.append(_troubles(snapshot))
    parts += [_queues(snapshot), _workers(workers)]
    return Group(*parts)


def chart(values: Iterable[float]) -> str:
    """Return numbers as a line of blocks, the highest of them the full one."""
    found = list(values)
    most = max(found, default=0.0)
    if not most:
        return _BLOCKS[0] * len(found)
    return "".join(_BLOCKS[round(value / most * (len(_BLOCKS) - 1))] for value in found)


def _head(snapshot: Snapshot) -> Text:
    when = snapshot.at.strftime("%Y-%m-%d %H:%M:%S UTC") if snapshot.at else "nothing seen yet"
    head = Text.assemble(("Holdfast ", "bold"), (when, "dim"))
    if snapshot.error:
        head.append(f"  {snapshot.error}", style="bold red")
    return head


def _figures(snapshot: Snapshot, rates: Iterable[float], depths: Iterable[float]) -> Columns:
    said = texts(snapshot.figures)
    cards = (
        ("done", said["ended_per_second"], chart(rates), "green"),
        ("failed in a minute", said["failed"], "", "red" if snapshot.figures.failed else "dim"),
        ("queued", said["queued"], chart(depths), "blue"),
        ("oldest", said["oldest"], "", "blue"),
        ("wait p50 / p95", f"{said['wait_p50']} / {said['wait_p95']}", "", "white"),
        ("run p50 / p95", f"{said['run_p50']} / {said['run_p95']}", "", "white"),
        ("running", said["running"], f"{said['busy']} of the slots", "magenta"),
    )
    return Columns(
        Panel(
            Group(Text(value, style=f"bold {colour}"), Text(more[-24:], style=colour)),
            title=name,
            title_align="left",
            border_style="dim",
        )
        for name, value, more, colour in cards
    )


def _troubles(snapshot: Snapshot) -> Panel:
    lines = Text()
    for trouble in snapshot.troubles[:MOST_ROWS]:
        colour = _COLOURS.get(int(trouble.severity), "white")
        lines.append(f"{trouble.severity.label:<9}", style=f"bold {colour}")
        lines.append(f"{trouble.sentence}\n")
    lines.append(_left(len(snapshot.troubles)), style="dim")
    lines.rstrip()
    return Panel(lines, title="Needs attention", title_align="left", border_style="yellow")


def _queues(snapshot: Snapshot) -> Table:
    table = _table("Queue", ">Waiting", "", ">Oldest", ">Running", "Workers")
    most = max((queue.total for queue in snapshot.queues), default=0) or 1
    queues = sorted(snapshot.queues, key=lambda queue: (-queue.total, queue.name))
    for queue in queues[:MOST_ROWS]:
        table.add_row(
            Text(queue.name, style="bold red" if queue.unserved else "bold"),
            f"{queue.total:,}{'+' if queue.more else ''}",
            ProgressBar(
                total=most,
                completed=queue.total,
                width=20,
                style="grey23",
                complete_style="blue",
                finished_style="blue",
            ),
            duration(queue.oldest_seconds),
            f"{queue.running:,}",
            _served(queue),
        )
    _note(table, len(queues), "No queue has open jobs or a worker.")
    return table


def _workers(workers: Sequence[LiveWorker]) -> Table:
    table = _table("Worker", "State", "Pool", ">Slots", "Queues", ">PID", ">Heard")
    for worker in workers[:MOST_ROWS]:
        stalled = worker.state == "stalled"
        table.add_row(
            Text(worker.name, style="bold"),
            Text(worker.state, style="bold red" if stalled else "green"),
            worker.pool,
            str(worker.slots),
            Text(", ".join(worker.queues)),
            str(worker.pid),
            duration(worker.heard_seconds),
        )
    _note(table, len(workers), "No worker lives: start one with `celery -A yourproject worker`.")
    return table


def _table(*heads: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, expand=True, pad_edge=False)
    for head in heads:
        right = head.startswith(">")
        table.add_column(
            head.removeprefix(">"), justify="right" if right else "left", no_wrap=right
        )
    return table


def _note(table: Table, count: int, nothing: str) -> None:
    told: Any = nothing if not count else _left(count)
    if told:
        table.add_row(Text(told, style="dim"))


def _left(count: int) -> str:
    return f"and {count - MOST_ROWS} more" if count > MOST_ROWS else ""


def _served(queue: Queue) -> Text:
    if queue.unserved:
        return Text("none: these jobs wait for one", style="bold red")
    return Text(", ".join(queue.workers))
