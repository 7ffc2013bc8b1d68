"""Workflows as graphs: each job by itself (`graph`), or with what is alike drawn together (`outline`)."""

from __future__ import annotations

from holdfast.workflows.graphs import (
    EXPECTED,
    MOST_NODES,
    NEVER,
    Edge,
    Graph,
    Node,
    graph,
)
from holdfast.workflows.outlining import STEP, Box, Line, Outline, outline

__all__ = [
    "EXPECTED",
    "MOST_NODES",
    "NEVER",
    "STEP",
    "Box",
    "Edge",
    "Graph",
    "Line",
    "Node",
    "Outline",
    "graph",
    "outline",
]
