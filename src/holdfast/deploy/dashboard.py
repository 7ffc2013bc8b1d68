"""The dashboard for Grafana, made from the rows of `panels`.

Every query asks for names of the contract alone, which tests hold it against.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from holdfast.deploy.panels import HERE, ROWS, Panel

SOURCE = {"type": "prometheus", "uid": "${source}"}
WIDTH, HEIGHT, LOW = 24, 8, 4


def dashboard() -> dict[str, Any]:
    """Return the dashboard as Grafana imports it."""
    return {
        "uid": "holdfast",
        "title": "Holdfast",
        "description": "Durable jobs: what waits, what becomes of it, who works, and whether it heals.",
        "tags": ["holdfast", "celery", "django"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "time": {"from": "now-6h", "to": "now"},
        "refresh": "30s",
        "timezone": "browser",
        "templating": {"list": list(_variables())},
        "annotations": {"list": []},
        "panels": list(_panels()),
    }


def _variables() -> Iterator[dict[str, Any]]:
    yield {
        "name": "source",
        "label": "Data source",
        "type": "datasource",
        "query": "prometheus",
    }
    yield _asked("job", "Project", "label_values(holdfast_build_info, job)", several=False)
    yield _asked("queue", "Queue", f"label_values(holdfast_queue_jobs{{{HERE}}}, queue)")
    yield _asked("task", "Task", f"label_values(holdfast_jobs_ended_total{{{HERE}}}, task)")


def _asked(name: str, label: str, query: str, *, several: bool = True) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": query, "refId": name},
        "refresh": 2,
        "sort": 1,
    }
    if several:
        found |= {
            "multi": True,
            "includeAll": True,
            "allValue": ".*",
            "current": {"text": "All", "value": "$__all"},
        }
    return found


def _panels() -> Iterator[dict[str, Any]]:
    id, top = 0, 0
    for row in ROWS:
        id += 1
        yield {
            "id": id,
            "type": "row",
            "title": row.title,
            "collapsed": False,
            "panels": [],
            "gridPos": {"x": 0, "y": top, "w": WIDTH, "h": 1},
        }
        top, left = top + 1, 0
        high = LOW if row.panels[0].kind == "stat" else HEIGHT
        for panel in row.panels:
            if left + panel.width > WIDTH:
                top, left = top + high, 0
            id += 1
            yield _panel(panel, id, {"x": left, "y": top, "w": panel.width, "h": high})
            left += panel.width
        top += high


def _panel(panel: Panel, id: int, place: dict[str, int]) -> dict[str, Any]:
    defaults: dict[str, Any] = {
        "unit": panel.unit,
        "min": 0,
        "thresholds": {
            "mode": "absolute",
            "steps": [{"color": color, "value": value} for color, value in panel.steps],
        },
    }
    if panel.most is not None:
        defaults["max"] = panel.most
    if panel.mappings:
        defaults["mappings"] = [
            {
                "type": "value",
                "options": {
                    value: {"text": text, "color": color, "index": index}
                    for index, (value, text, color) in enumerate(panel.mappings)
                },
            }
        ]
    if panel.kind == "timeseries":
        defaults["custom"] = {
            "fillOpacity": 30 if panel.stacked else 0,
            "stacking": {"mode": "normal" if panel.stacked else "none"},
            "showPoints": "never",
        }
    found = {
        "id": id,
        "type": panel.kind,
        "title": panel.title,
        "datasource": SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": _options(panel),
        "targets": [
            {
                "refId": chr(ord("A") + number),
                "datasource": SOURCE,
                "expr": query.expr,
                "legendFormat": query.legend or panel.title,
            }
            for number, query in enumerate(panel.queries)
        ],
    }
    return found | ({"description": panel.says} if panel.says else {})


def _options(panel: Panel) -> dict[str, Any]:
    if panel.kind == "stat":
        return {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "value"}
    return {
        "legend": {"displayMode": "list", "placement": "bottom"},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }


def text() -> str:
    """Return the file."""
    return json.dumps(dashboard(), indent=1, ensure_ascii=False)
