"""Which of the big tables a piece of work reads from one end to the other, by PostgreSQL's own plans."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from django.db import connections

BIG = {
    "holdfast_job",
    "holdfast_payload",
    "holdfast_effect",
    "holdfast_unique_key",
    "holdfast_limited",
    "holdfast_audit",
    "holdfast_queue_sample",
    "holdfast_minute",
    "lead_lead",
    "lead_followup",
}


def tables_read_whole(alias: str, ask: Callable[[], Any]) -> list[str]:
    """Run something, explain every statement it sends, and return the big tables these read whole."""
    connection = connections[alias]
    statements: list[tuple[str, Any]] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        statements.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        ask()
    assert statements
    found: list[str] = []
    for sql, params in statements:
        if sql.lstrip("(").split(None, 1)[0].upper() not in {
            "SELECT",
            "UPDATE",
            "DELETE",
            "INSERT",
            "WITH",
        }:
            continue
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}", params)
            answer = cursor.fetchone()[0]
        plan = answer if isinstance(answer, list) else json.loads(answer)
        found += full_reads(plan[0]["Plan"])
    return found


def full_reads(plan: dict[str, Any]) -> list[str]:
    """Return the big tables a plan reads from one end to the other."""
    found = [plan["Relation Name"]] if plan["Node Type"] == "Seq Scan" else []
    for child in plan.get("Plans", ()):
        found += full_reads(child)
    return [name for name in found if name in BIG]
