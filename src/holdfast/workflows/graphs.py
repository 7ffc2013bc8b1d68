"""The graph of a workflow, read from its rows: what was sent by what, what waits for what, what is still to come."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from celery import current_app
from celery.result import AsyncResult, ResultSet
from kombu.utils.json import loads

from holdfast.batches import Batch
from holdfast.exceptions import JobNotFound
from holdfast.ledger import batches
from holdfast.ledger.reads import letters, queries
from holdfast.ledger.reads.kin import Kin, kin
from holdfast.ledger.states import FINAL, State
from holdfast.results import successors

MOST_NODES = 1000
EXPECTED = "to come"
NEVER = "never sent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A job, a step that is no job yet, or a batch."""

    id: str
    task: str
    """The name of the task; of a batch its own name."""
    state: str
    """The state of the job in words; "to come" or "never sent" of a step that is no job; the last end of a batch."""
    kind: str = "job"
    """"job", "step" or "batch"."""
    group: str | None = None
    """The group or chord whose member it is."""
    batch: str | None = None


@dataclass(frozen=True, slots=True)
class Edge:
    """Two nodes by their ids, and what the second is to the first."""

    source: str
    target: str
    kind: str
    """"child", "next", "chord", "link", "link_error", "on_success", "on_complete" or "on_failure"."""


@dataclass(slots=True)
class Graph:
    """What was found; `complete` is false if there is more than was looked at."""

    nodes: dict[str, Node] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)
    complete: bool = True

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON can write it."""
        return {
            "nodes": [asdict(node) for node in self.nodes.values()],
            "edges": [asdict(edge) for edge in self.edges],
            "complete": self.complete,
        }


def graph(
    what: str | AsyncResult[Any] | ResultSet[Any] | Batch, *, limit: int = MOST_NODES
) -> Graph:
    """Return the graph of the workflow that a job, a group or a batch is part of, or that a batch contains.

    Args:
        what: the id of a job or of a batch, a result handle, a `GroupResult`, or a batch.
        limit: jobs that are looked at; the oldest ones.

    Raises:
        JobNotFound: the ledger knows none of it.
    """
    ids, of_batches, groups = asked_for(what)
    rows, whole = kin(ids, batches=of_batches, groups=groups, limit=limit)
    if not rows and not of_batches:
        raise JobNotFound(
            f"{what!r} is not in the ledger: it was never recorded here, or it was deleted after its retention."
        )
    found = Graph(complete=whole)
    for row in rows.values():
        found.nodes[row.id] = Node(
            id=row.id,
            task=row.task,
            state=State(row.state).name.lower(),
            group=row.group_id,
            batch=row.batch_id,
        )
    drawing = Drawing(found)
    drawing.add_successors([row for row in rows.values() if row.linked or row.state not in FINAL])
    for batch_id in of_batches:
        drawing.add_batch(batch_id)
    for row in rows.values():
        if row.parent_id in found.nodes:
            drawing.connect(row.parent_id, row.id, "child")
    drawing.name_what_will_never_be_sent()
    return found


def asked_for(what: Any) -> tuple[list[str], list[str], list[str]]:
    """Return the jobs, the batches and the groups that are asked for."""
    if isinstance(what, ResultSet):
        group_id = getattr(what, "id", None)
        return [result.id for result in what.results], [], [group_id] if group_id else []
    if isinstance(what, Batch):
        what = what.id
    if isinstance(what, AsyncResult):
        what = what.id
    if batches.get(what) is not None:
        return [], [what, *batches.inner(what)], []
    # Of a group sent by hand only the members know its id.
    return [what], [], [what]


class Drawing:
    """Nodes and edges as they are found; for graphs and outlines."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.drawn: set[tuple[str, str]] = set()

    def connect(self, source: str | None, target: str, kind: str) -> None:
        """Draw an edge, unless the two are connected already by one that says more."""
        if source is not None and source != target and (source, target) not in self.drawn:
            self.drawn.add((source, target))
            self.graph.edges.append(Edge(source, target, kind))

    def add_successors(self, rows: Sequence[Kin]) -> None:
        """Draw what the messages of jobs say of what comes after them."""
        accept = current_app.backend.accept
        messages = letters.messages([row.id for row in rows])
        for row in rows:
            message = messages.get(row.id)
            if message is None:
                continue
            request = successors.request_of(
                row.id,
                message.task,
                message.headers,
                message.body,
                message.content_type,
                message.content_encoding,
                accept,
            )
            self._follow([row.id], list(request.chain or ()), request.chord)
            if row.state in FINAL:
                continue  # its callbacks are jobs by now, or will never be
            for kind, signatures in (("link", request.callbacks), ("link_error", request.errbacks)):
                for signature in signatures or ():
                    self._add_steps([row.id], signature, kind)

    def add_batch(self, batch_id: str) -> None:
        """Draw a batch and its callbacks."""
        row = batches.get(batch_id)
        if row is None:
            return
        ends = (
            (row.succeeded_at, "succeeded"),
            (row.completed_at, "complete"),
            (row.failed_at, "failed"),
        )
        state = next((name for moment, name in ends if moment), "open")
        self.graph.nodes[row.id] = Node(
            id=row.id, task=row.name, state=state, kind="batch", batch=row.parent_id
        )
        called = json.loads(row.called)
        for event, signature in loads(row.callbacks).items():
            if event in called:
                self.connect(row.id, called[event], f"on_{event}")
            else:
                step = {"options": {}, **signature}
                step["options"] = {"task_id": f"{row.id}:{event}", **step["options"]}
                self._add_steps([row.id], step, f"on_{event}")

    def _follow(self, before: list[str], chain: list[Any], chord: Any) -> None:
        """Draw the rest of a chain, its next step the last element, and the body of the chord it ends in."""
        kind = "next"
        while chain and before:
            before = self._add_steps(before, chain.pop(), kind)
        if chord:
            self._add_steps(before, chord, "chord")

    def _add_steps(self, before: list[str], signature: Any, kind: str) -> list[str]:
        """Draw one element of a canvas after those before it; return its own last nodes."""
        inside = signature.get("kwargs") or {}
        options = signature.get("options") or {}
        match signature.get("subtask_type"):
            case "group":
                return [
                    last
                    for task in inside.get("tasks", ())
                    for last in self._add_steps(before, task, kind)
                ]
            case "chain":
                return self._in_order(before, inside.get("tasks", ()), kind)
            case "chord":
                header = inside.get("header") or {}
                tasks = (
                    header
                    if isinstance(header, list)
                    else (header.get("kwargs") or {}).get("tasks", ())
                )
                last = [end for task in tasks for end in self._add_steps(before, task, kind)]
                return self._add_steps(last, inside["body"], "chord")
        return self._add_step(before, signature.get("task") or "?", options, kind)

    def _in_order(self, before: list[str], tasks: Sequence[Any], kind: str) -> list[str]:
        for task in tasks:
            before, kind = self._add_steps(before, task, kind), "next"
        return before

    def _add_step(
        self, before: list[str], task: str, options: Mapping[str, Any], kind: str
    ) -> list[str]:
        id = options.get("task_id") or f"{before[0] if before else ''}:{kind}:{task}"
        if id not in self.graph.nodes:
            group = options.get("group_id")
            self.graph.nodes[id] = Node(id=id, task=task, state=EXPECTED, kind="step", group=group)
        for source in before:
            self.connect(source, id, kind)
        if options.get("chord"):
            return self._add_steps([id], options["chord"], "chord")
        return [id]

    def name_what_will_never_be_sent(self) -> None:
        """Tell steps that are to come from those whose end is stored without a job, or whose sender has ended."""
        steps = [node.id for node in self.graph.nodes.values() if node.kind == "step"]
        stored = queries.result_metas(steps)
        ended = set(self._ended())
        for id in steps:
            senders = {edge.source for edge in self.graph.edges if edge.target == id}
            if id in stored or (senders and senders <= ended):
                node = self.graph.nodes[id]
                self.graph.nodes[id] = Node(**{**asdict(node), "state": NEVER})
                ended.add(id)

    def _ended(self) -> Iterator[str]:
        waiting = {"held", "queued", "running", "open", "complete", EXPECTED}
        return (
            node.id
            for node in self.graph.nodes.values()
            if node.state not in waiting and (node.kind, node.state) != ("batch", "failed")
        )
