"""What the results of soaks look like: one run as a table, and many in a row as one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from tests.chaos.rules.table import RULES

FIGURES = ("recovery", "take_over", "call", "call_without_redis", "lateness")
COUNTS = ("occurrences", "batches", "rolled_back", "poison", "forged", "security_events")


def table(result: dict[str, Any]) -> str:
    """Return one run as lines of a name and a figure; plain Celery is held to no rule, for it promises nothing."""
    held_to = RULES if result["product"] == "holdfast" else ()
    rows: list[tuple[str, object]] = [
        ("seed", result["seed"]),
        ("database", result["database"]),
        ("jobs", result["jobs"]),
        ("jobs of more than 0.5 s, %", result["long_jobs_percent"]),
        *((name.replace("_", " "), result[name]) for name in COUNTS),
        ("faults", sum(result["faults"].values())),
        *((f"  {name}", n) for name, n in result["faults"].items()),
        ("bodies run again", sum(result["run_again"].values())),
        *((f"  after {name}", n) for name, n in result["run_again"].items()),
        *((f"{name.replace('_', ' ')}, s", spread(result[name])) for name in FIGURES),
        *_next_door(result),
        ("by the record alone:", ""),
        *((f"  {name.replace('_', ' ')}", n) for name, n in result["by_the_record_alone"].items()),
        *(
            (
                f"{rule.promises} {rule.name.replace('_', ' ')}",
                len(result["broken"].get(rule.name, ())),
            )
            for rule in held_to
        ),
        ("unexpected", len(result["broken"].get("unexpected", ()))),
    ]
    return "\n".join(f"{name:<46}{value!s:>32}" for name, value in rows)


def summary_table(summaries: Sequence[dict[str, Any]]) -> str:
    """Return one column for each summary: what was run, what was broken, and how long it took."""
    rows: list[tuple[str, list[object]]] = [
        (name, [one.get(name.replace(" ", "_"), "") for one in summaries])
        for name in ("product", "database", "seconds", "jobs", "long jobs percent")
    ]
    rows.append(("seeds", [len(one["seeds"]) for one in summaries]))
    rows.append(("faults", [sum(one["faults"].values()) for one in summaries]))
    rows.append(("kinds of faults", [len(one["faults"]) for one in summaries]))
    kinds = sorted({name for one in summaries for name in one["faults"]})
    rows += [(f"  {name}", [one["faults"].get(name, 0) for one in summaries]) for name in kinds]
    rows.append(("jobs next door", [one.get("next_door", {}).get("jobs", 0) for one in summaries]))
    rows.append(("bodies run again", [sum(one["run_again"].values()) for one in summaries]))
    rows += [
        (f"{name.replace('_', ' ')}, s", [spread(s[name]) for s in summaries]) for name in FIGURES
    ]
    record = list(summaries[0]["by_the_record_alone"])
    rows += [
        (
            f"by the record alone: {name.replace('_', ' ')}",
            [s["by_the_record_alone"][name] for s in summaries],
        )
        for name in record
    ]
    named = [rule.name for rule in RULES]
    others = {name for one in summaries for name in one["broken"]} - {*named}
    promises = {rule.name: f"{rule.promises} " for rule in RULES}
    for name in [*named, *sorted(others)]:
        told = promises.get(name, "") + name.replace("_", " ")
        rows.append((told, [_broken(one, name) for one in summaries]))
    return "\n".join(f"{name:<50}" + "".join(f"{v!s:>34}" for v in of) for name, of in rows)


def _next_door(result: dict[str, Any]) -> list[tuple[str, object]]:
    """Return the rows of the project next door, if there was one."""
    told = result.get("next_door")
    if not told:
        return []
    return [
        ("next door:", ""),
        ("  jobs", told["jobs"]),
        ("  faults of its processes", sum(told["faults"].values())),
        ("  bodies run again", sum(told["run_again"].values())),
        ("  recovery, s", spread(told["recovery"])),
    ]


def _broken(told: dict[str, Any], rule: str) -> object:
    return told["broken"].get(rule, 0) if told["product"] == "holdfast" else "-"


def spread(figure: dict[str, Any]) -> str:
    """Return a figure with its count, its middle and its worst."""
    if not figure["count"]:
        return "none"
    bound = f", bound {figure['bound']:g}" if "bound" in figure else ""
    return f"{figure['count']}: p50 {figure['p50']:.2f}, max {figure['max']:.2f}{bound}"


def summary(results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return what many runs on one database come to."""
    faults: Counter[str] = Counter()
    again: Counter[str] = Counter()
    broken: Counter[str] = Counter()
    for one in results:
        faults.update(one["faults"])
        again.update(one["run_again"])
        broken.update({name: len(found) for name, found in one["broken"].items()})
    jobs = sum(one["jobs"] for one in results)
    long_jobs = sum(one["jobs"] * one["long_jobs_percent"] for one in results)
    return {
        "product": results[0]["product"],
        "database": results[0]["database"],
        "commits": sorted({one.get("commit", "not noted") for one in results}),
        "load": [round(edge(one.get("load", 0) for one in results), 1) for edge in (min, max)],
        "seeds": [one["seed"] for one in results],
        "seconds": round(sum(one["seconds"] for one in results)),
        "jobs": jobs,
        "long_jobs_percent": round(long_jobs / max(1, jobs), 1),
        **{name: sum(one[name] for one in results) for name in COUNTS},
        "faults": dict(sorted(faults.items())),
        "run_again": dict(sorted(again.items())),
        **{name: _together([one[name] for one in results]) for name in FIGURES},
        "next_door": _all_next_door([one["next_door"] for one in results if one.get("next_door")]),
        "by_the_record_alone": _record(results),
        "broken": dict(sorted(broken.items())),
    }


def wanting(results: Sequence[dict[str, Any]], *, each: int, share: float = 0.15) -> list[str]:
    """Return what a campaign lacks: a kind that happened too seldom, or made up too much of a run."""
    total: Counter[str] = Counter()
    found = []
    for one in results:
        total.update(one["faults"])
        many = sum(one["faults"].values())
        found += [
            f"seed {one['seed']}: {name} makes up {n} of {many} faults"
            for name, n in one["faults"].items()
            if n > share * many + 1
        ]
    return found + [f"{name} happened {n} times" for name, n in total.items() if n < each]


def _all_next_door(told: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return what the projects next door come to."""
    faults: Counter[str] = Counter()
    for one in told:
        faults.update(one["faults"])
    return {
        "jobs": sum(one["jobs"] for one in told),
        "faults": dict(sorted(faults.items())),
        "recovery": _together([one["recovery"] for one in told]),
    }


def _record(results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the sums of what the record alone says, and the worst recovery."""
    told = [one["by_the_record_alone"] for one in results]
    middles = sorted(one["recovery_p50"] for one in told if one["recovered"])
    sums = {name: sum(one[name] for one in told) for name in told[0] if "recovery" not in name}
    return sums | {
        "recovery_p50": middles[len(middles) // 2] if middles else None,
        "recovery_max": max(
            (one["recovery_max"] for one in told if one["recovered"]), default=None
        ),
    }


def _together(figures: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the spread of many runs: the middle of their middles, the worst of all."""
    some = [one for one in figures if one["count"]]
    middles = sorted(one["p50"] for one in some)
    return {
        **{key: value for one in figures[:1] for key, value in one.items() if key == "bound"},
        "count": sum(one["count"] for one in figures),
        "p50": middles[len(middles) // 2] if middles else None,
        "max": max((one["max"] for one in some), default=None),
    }
