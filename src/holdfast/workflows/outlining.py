"""The outline of a workflow of any size: jobs that are alike stand as one box, which opens in steps.

    from holdfast.workflows import outline

    outline(job_id).as_dict()

Runs where people look. What it reads and returns is bounded: a chord of 100,000 members is one box, whose members are
counted by state and not read.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from holdfast.exceptions import JobNotFound
from holdfast.ledger.reads import outlines
from holdfast.ledger.reads.kin import Kin
from holdfast.ledger.reads.outlines import Crowd, Found
from holdfast.ledger.states import FINAL, State
from holdfast.workflows.alike import Sets, behind_crowds, sets_of
from holdfast.workflows.graphs import EXPECTED, Drawing, Graph, Node, asked_for

# More jobs that are alike than this stand as one box.
FEW = 8
STEP = 50
# Boxes that are drawn, and inner batches among them.
MOST_BOXES = 600
MOST_BATCHES = 40
# How often the steps of what was found are looked for: each time for what follows them.
MOST_TURNS = 10
# In this order the state of many is named by the state of some.
_TELLING = (
    State.RUNNING,
    State.QUEUED,
    State.HELD,
    State.FAILED,
    State.DEAD,
    State.CANCELLED,
    State.EXPIRED,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """What is drawn as one: a job, a step that is no job yet, a batch, or many jobs that are alike."""

    id: str
    """Of a job or a batch its own id."""
    kind: str
    """"job", "step", "batch", "many" or "steps"."""
    task: str
    """The name of the task; of a batch its own name; of a group or batch of different tasks, one of them."""
    state: str
    """The state in words. Of many: "running" if one runs, else "queued" or "held" if one waits, else the worst end."""
    counts: dict[str, int]
    """Of many: how many are in each state, without those that stand as boxes of their own."""
    size: int
    """How many jobs or steps it stands for."""
    more: bool
    """Whether there are more than were counted."""
    key: str
    """What is given to `opened` to see more of many one by one; empty if there is nothing to open."""
    group: str | None
    batch: str | None


@dataclass(frozen=True, slots=True)
class Line:
    """Two boxes by their ids, and what the second is to the first."""

    source: str
    target: str
    kind: str
    """As of the edges of a graph, and "member" from a batch to what stands first in it."""


@dataclass(slots=True)
class Outline:
    """What was found; `complete` is false if there is more than was looked at."""

    boxes: list[Box] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    complete: bool = True

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON can write it."""
        return asdict(self)


def outline(what: Any, *, opened: Mapping[str, int] | None = None) -> Outline:
    """Return the outline of the workflow that a job, a group or a batch is part of, or that a batch contains.

    Args:
        what: the id of a job or of a batch, a result handle, a `GroupResult`, or a batch.
        opened: of how many members each box of many is opened, by its key.

    Raises:
        JobNotFound: the ledger knows none of it.
    """
    wanted = opened or {}
    ids, batches, groups = asked_for(what)
    crowds = {
        _crowd_key(key): n
        for key, n in wanted.items()
        if key.partition(":")[0] in ("group", "batch")
    }
    found = outlines.find(ids, batches=batches, groups=groups, opened=crowds)
    if not (found.rows or found.crowds or batches):
        raise JobNotFound(
            f"{what!r} is not in the ledger: it was never recorded here, or it was deleted after its retention."
        )
    return _Outliner(found, wanted, batches).run()


def _crowd_key(key: str) -> tuple[str, str]:
    kind, _, id = key.partition(":")
    return kind, id


class _Outliner:
    def __init__(self, found: Found, opened: Mapping[str, int], batches: list[str]) -> None:
        self.found = found
        self.batches = batches[:MOST_BATCHES]
        self.graph = Graph(complete=found.whole and len(batches) <= MOST_BATCHES)
        self.drawing = Drawing(self.graph)
        self.opened = opened
        self.behind = behind_crowds(found)
        self.sets: Sets = sets_of(found, self.behind)
        # Which box stands for a job that has none of its own, or for a step.
        self.stands: dict[str, str] = {}
        self.boxes: dict[str, Box] = {}
        # Jobs of crowds that were found as steps of others.
        self.late: list[Kin] = []

    def run(self) -> Outline:
        """Choose what is drawn by itself, draw it, and let the rest stand behind it."""
        self._draw(self._choose())
        for batch_id in self.batches:
            self.drawing.add_batch(batch_id)
        self._draw_children()
        self._gather_steps()
        self._join_batches()
        self.drawing.name_what_will_never_be_sent()
        return self._told()

    # -- what is drawn --------------------------------------------------------------------------------

    def _choose(self) -> list[Kin]:
        """Return the jobs that are drawn by themselves, and one for each box of many."""
        single: list[Kin] = []
        for crowd in self.found.crowds.values():
            shown = [row for row in crowd.opened if row.id not in self.found.rows]
            single += shown
            states = crowd.states.copy()
            states.subtract(State(row.state) for row in shown)
            # Those found by themselves, such as the one that was asked for, are counted there.
            alone = [
                r
                for r in self.found.rows.values()
                if self.found.crowd_of(r.group_id, r.batch_id) is crowd
            ]
            states.subtract(State(row.state) for row in alone)
            self._add_crowd(crowd, +states, single)
        for key, rows in self.sets.items():
            if len(rows) <= FEW:
                single += rows
                continue
            rows.sort(key=lambda row: row.id)
            shown, hidden = rows[: self.opened.get(key, 0)], rows[self.opened.get(key, 0) :]
            single += shown
            if hidden:
                self._add_many(key, hidden)
                single.append(hidden[0])
        if len(single) > MOST_BOXES:
            self.graph.complete = False
        return single[:MOST_BOXES]

    def _add_crowd(self, crowd: Crowd, states: Counter[State], single: list[Kin]) -> None:
        if crowd.one is None or not states:
            return
        id = crowd.key
        self.boxes[id] = _many(id, crowd.one.task, states, more=crowd.more, one=crowd.one)
        if crowd.one.id not in {row.id for row in single} | self.found.rows.keys():
            self.stands[crowd.one.id] = id
            single.append(crowd.one)

    def _add_many(self, key: str, hidden: list[Kin]) -> None:
        states = Counter(State(row.state) for row in hidden)
        self.boxes[key] = _many(key, hidden[0].task, states, more=False, one=hidden[0])
        self.stands |= {row.id: key for row in hidden}

    def _draw(self, rows: list[Kin]) -> None:
        """Draw jobs with what their messages say comes after them; steps that are jobs by now in their turn.

        The body of a chord is one of those: it has the id of its group, and is in the crowd of the members.
        """
        for _ in range(MOST_TURNS):
            for row in rows:
                self.graph.nodes[row.id] = _node(row)
            self.drawing.add_successors([r for r in rows if r.linked or r.state not in FINAL])
            if not self.found.crowds:
                return
            rows = self._steps_that_are_jobs()
            if not rows:
                return

    def _steps_that_are_jobs(self) -> list[Kin]:
        """Let the box of a crowd stand for its members where messages have named them; return the other jobs."""
        alike = {node.id: nodes for nodes in self._alike_steps().values() for node in nodes}
        asked = [id for id, nodes in alike.items() if len(nodes) <= FEW or id == nodes[0].id]
        rows = outlines.listed(asked[:MOST_BOXES])
        parents = outlines.parents({row.parent_id for row in rows if row.parent_id})
        found = []
        for row in rows:
            crowd = self.found.crowd_of(row.group_id, row.batch_id)
            group_of_parent = parents.get(row.parent_id or "", (None, None))[0]
            if crowd is None or crowd.key not in self.boxes:
                found.append(row)
            elif row.group_id is not None and group_of_parent == row.group_id:
                self.boxes[crowd.key] = _without(self.boxes[crowd.key], State(row.state))
                found.append(row)
            else:
                nodes = alike[row.id]
                self.stands |= {n.id: crowd.key for n in (nodes if len(nodes) > FEW else [row])}
        self.late += found
        return found

    def _alike_steps(self) -> dict[str, list[Node]]:
        """Return the steps that nothing stands for, those of one group or of one task after the same ones together."""
        before: dict[str, set[str]] = {}
        for edge in self.graph.edges:
            before.setdefault(edge.target, set()).add(self._box(edge.source))
        alike: dict[str, list[Node]] = {}
        for node in self.graph.nodes.values():
            if node.kind == "step" and node.id not in self.stands:
                behind = ",".join(sorted(before.get(node.id, ()))[:3])
                alike.setdefault(f"steps:{node.group or behind}:{node.task}", []).append(node)
        return alike

    # -- what connects it -----------------------------------------------------------------------------

    def _draw_children(self) -> None:
        """Draw from each job, or the box it is in, to those it has sent."""
        crowds = self.found.crowds.values()
        rows = [*self.found.rows.values(), *(row for crowd in crowds for row in crowd.opened)]
        rows += [crowd.one for crowd in crowds if crowd.one is not None]
        rows += self.late
        for row in rows:
            if row.parent_id is not None:
                # The body of a chord is in the crowd of its group, and drawn by itself.
                known = row.parent_id in self.graph.nodes
                parent = row.parent_id if known else self.behind.get(row.parent_id, row.parent_id)
                self.drawing.connect(self._box(parent), self._box(row.id), "child")

    def _gather_steps(self) -> None:
        """Let steps that are alike stand as one box where they are many."""
        for key, nodes in self._alike_steps().items():
            if len(nodes) > FEW:
                self.boxes[key] = Box(
                    id=key,
                    kind="steps",
                    task=nodes[0].task,
                    state=EXPECTED,
                    counts={},
                    size=len(nodes),
                    more=False,
                    key="",
                    group=nodes[0].group,
                    batch=nodes[0].batch,
                )
                self.stands |= {node.id: key for node in nodes}
                self.graph.nodes[key] = Node(
                    id=key, task=nodes[0].task, state=EXPECTED, kind="step"
                )
        self._stand_in()

    def _stand_in(self) -> None:
        """Put boxes in the place of what they stand for, and one line in the place of many that are the same."""
        nodes = self.graph.nodes
        for id, box in self.boxes.items():
            nodes[id] = Node(
                id=id, task=box.task, state=box.state, kind="step" if box.kind == "steps" else "job"
            )
        for id in self.stands:
            nodes.pop(id, None)
        edges, self.graph.edges, self.drawing.drawn = self.graph.edges, [], set()
        for edge in edges:
            source, target = self._box(edge.source), self._box(edge.target)
            if source in nodes and target in nodes:
                self.drawing.connect(source, target, edge.kind)

    def _join_batches(self) -> None:
        """Draw from a batch to what nothing else leads to in it."""
        targets = {edge.target for edge in self.graph.edges}
        for id, node in list(self.graph.nodes.items()):
            batch = self.boxes[id].batch if id in self.boxes else node.batch
            if batch in self.graph.nodes and id not in targets and node.kind != "step":
                self.drawing.connect(batch, id, "member")

    def _box(self, id: str) -> str:
        return self.stands.get(id, id)

    def _in_order(self) -> list[Node]:
        """Return the nodes, each after those that lead to it; what stands in a circle comes last."""
        nodes = self.graph.nodes
        before = dict.fromkeys(nodes, 0)
        after: dict[str, list[str]] = {}
        for edge in self.graph.edges:
            before[edge.target] += 1
            after.setdefault(edge.source, []).append(edge.target)
        ready = deque(id for id, count in before.items() if not count)
        order: dict[str, None] = {}
        while ready:
            id = ready.popleft()
            order[id] = None
            for next_id in after.get(id, ()):
                before[next_id] -= 1
                if not before[next_id]:
                    ready.append(next_id)
        return [nodes[id] for id in [*order, *(id for id in nodes if id not in order)]]

    def _told(self) -> Outline:
        nodes = self._in_order()
        if len(nodes) > MOST_BOXES:
            self.graph.complete = False
            nodes = nodes[:MOST_BOXES]
        states = {node.id: node.state for node in nodes}
        boxes = [self.boxes.get(node.id) or _box_of(node) for node in nodes]
        told = [replace(box, state=states[box.id]) if box.kind == "steps" else box for box in boxes]
        lines = [
            Line(edge.source, edge.target, edge.kind)
            for edge in self.graph.edges
            if edge.source in states and edge.target in states
        ]
        return Outline(told, lines, self.graph.complete)


def _node(row: Kin) -> Node:
    state = State(row.state).name.lower()
    return Node(id=row.id, task=row.task, state=state, group=row.group_id, batch=row.batch_id)


def _many(key: str, task: str, states: Counter[State], *, more: bool, one: Kin) -> Box:
    return Box(
        id=key,
        kind="many",
        task=task,
        state=_state_of(states),
        counts={state.name.lower(): states[state] for state in State if states[state]},
        size=states.total(),
        more=more,
        key=key,
        group=one.group_id,
        batch=one.batch_id,
    )


def _without(box: Box, state: State) -> Box:
    """Return a box of many without one of those it was counted with."""
    states = Counter({State[name.upper()]: n for name, n in box.counts.items()})
    states.subtract([state])
    left = {each.name.lower(): states[each] for each in State if states[each] > 0}
    return replace(box, counts=left, size=sum(left.values()), state=_state_of(+states))


def _state_of(states: Iterable[State]) -> str:
    some = set(states)
    return next((state for state in _TELLING if state in some), State.SUCCEEDED).name.lower()


def _box_of(node: Node) -> Box:
    return Box(
        id=node.id,
        kind=node.kind,
        task=node.task,
        state=node.state,
        counts={},
        size=1,
        more=False,
        key="",
        group=node.group,
        batch=node.batch,
    )
