"""How the command draws a workflow: as a tree for people, and for programs that lay out graphs."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator

from holdfast.workflows import Edge, Graph, Node


def tree(graph: Graph) -> Iterator[str]:
    """Yield lines: each node below what it follows; what has been shown above is only named again."""
    after: dict[str, list[Edge]] = defaultdict(list)
    followers = set()
    for edge in graph.edges:
        after[edge.source].append(edge)
        followers.add(edge.target)
    shown: set[str] = set()
    # What stands in a circle follows nothing that was shown: it comes last.
    starts = [id for id in graph.nodes if id not in followers]
    for start in (*starts, *graph.nodes):
        if start in shown:
            continue
        left = [(start, "", 0)]
        while left:
            id, kind, depth = left.pop()
            node = graph.nodes.get(id)
            if node is None:
                continue
            said = f"{kind}: " if kind else ""
            again = id in shown
            yield f"{'  ' * depth}{said}{_words(node)}{' (see above)' if again else ''}"
            if not again:
                shown.add(id)
                left += [(edge.target, edge.kind, depth + 1) for edge in reversed(after[id])]


def dot(graph: Graph) -> Iterator[str]:
    """Yield lines for Graphviz."""
    yield "digraph workflow {"
    yield "  node [shape=box];"
    for node in graph.nodes.values():
        style = ", style=dashed" if node.kind == "step" else ""
        yield f"  {json.dumps(node.id)} [label={json.dumps(f'{node.task} ({node.state})')}{style}];"
    for edge in graph.edges:
        yield f"  {json.dumps(edge.source)} -> {json.dumps(edge.target)} [label={json.dumps(edge.kind)}];"
    yield "}"


def mermaid(graph: Graph) -> Iterator[str]:
    """Yield lines for Mermaid."""
    names = {id: f"n{number}" for number, id in enumerate(graph.nodes)}
    yield "graph TD"
    for id, node in graph.nodes.items():
        words = f"{node.task} ({node.state})".replace('"', "'")
        yield f'  {names[id]}["{words}"]'
    for edge in graph.edges:
        if edge.source in names and edge.target in names:
            yield f"  {names[edge.source]} -->|{edge.kind}| {names[edge.target]}"


def _words(node: Node) -> str:
    of = f" of group {node.group}" if node.group else ""
    name = f"batch {node.task}".rstrip() if node.kind == "batch" else node.task
    return f"{name} [{node.id}] {node.state}{of}"
