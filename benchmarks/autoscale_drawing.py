"""Draws a load step: the jobs that wait above, the slots below, over the same seconds."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

WIDTH, LEFT, RIGHT = 860.0, 60.0, 20.0
TOP, TALL, GAP = 56.0, 170.0, 56.0
INK, SOFT, GRID = "#1f2933", "#616e7c", "#e4e7eb"
DEPTH, SLOTS, LOAD = "#b44d12", "#1d6b8f", "#f1f4f7"


def drawing(found: dict[str, Any]) -> str:
    """Return the SVG of what a run has found."""
    samples = found["samples"]
    longest = samples[-1]["at"]
    height = TOP + 2 * TALL + GAP + 44

    def x(at: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * at / longest

    size = (
        f'viewBox="0 0 {WIDTH:.0f} {height:.0f}" font-family="system-ui, sans-serif" font-size="13"'
    )
    told = f"At most {found['most_waiting']} jobs wait, and slots go from 4 to {found['most_slots']} and back"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
        f"<title>{told}</title>",
        f'<rect width="{WIDTH:.0f}" height="{height:.0f}" fill="#ffffff"/>',
        _text(
            LEFT, 24, "Two workers with --autoscale=10,2, a load that goes up and down", weight=600
        ),
        *_load(found["load"], x, height, longest),
    ]
    for number, (name, what, colour) in enumerate(
        (("waiting", "jobs that wait", DEPTH), ("slots", "slots of both workers", SLOTS))
    ):
        top = TOP + number * (TALL + GAP)
        parts += _panel(samples, x, top, name=name, what=what, colour=colour)
    for at in range(0, int(longest) + 1, 20):
        parts.append(_text(x(at), height - 14, f"{at} s", anchor="middle", colour=SOFT))
    return "\n".join([*parts, "</svg>", ""])


def _load(load: Sequence[Any], x: Any, height: float, longest: float) -> list[str]:
    parts, at = [], 0.0
    for each in load:
        end = min(at + each["seconds"], longest)
        if each["jobs_per_second"] == max(one["jobs_per_second"] for one in load):
            parts.append(
                f'<rect x="{x(at):.1f}" y="{TOP - 18:.0f}" width="{x(end) - x(at):.1f}" '
                f'height="{height - TOP - 18:.0f}" fill="{LOAD}"/>'
            )
        parts.append(
            _text(x(at) + 4, TOP - 5, f"{each['jobs_per_second']} jobs/s are sent", colour=SOFT)
        )
        at = end
    return parts


def _panel(
    samples: Sequence[Any], x: Any, top: float, *, name: str, what: str, colour: str
) -> list[str]:
    most = max(sample[name] for sample in samples) or 1
    step = next(size for size in (1, 5, 50, 100, 250, 500, 1000, 5000) if most / size <= 6)
    highest = step * -(-most // step)

    def y(value: float) -> float:
        return top + TALL * (1 - value / highest)

    parts = []
    for value in range(0, int(highest) + 1, step):
        parts.append(
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(value):.1f}" y2="{y(value):.1f}" stroke="{GRID}"/>'
        )
        parts.append(_text(LEFT - 8, y(value) + 4, f"{value:,}", anchor="end", colour=SOFT))
    points = [f"{x(0):.1f},{y(samples[0][name]):.1f}"]
    for before, sample in pairwise(samples):
        points.append(f"{x(sample['at']):.1f},{y(before[name]):.1f}")
        points.append(f"{x(sample['at']):.1f},{y(sample[name]):.1f}")
    line = " ".join(points)
    parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
    parts.append(_text(WIDTH - RIGHT, top + 16, what, anchor="end", weight=600, colour=colour))
    return parts


def _text(
    x: float, y: float, words: str, *, anchor: str = "start", colour: str = INK, weight: int = 400
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}" font-weight="{weight}">'
        f"{words}</text>"
    )
