"""What stands in deploy/ asks for names of the contract alone, and each alert is tried."""

from __future__ import annotations

import json
import re
from itertools import combinations
from typing import Any

import pytest

from holdfast.deploy import dashboard
from holdfast.metrics.contract import CONTRACT
from tests.processes import ROOT

RULES = ROOT / "deploy" / "prometheus" / "rules.yml"
TRIED = ROOT / "deploy" / "prometheus" / "rules_test.yml"
GRAFANA = ROOT / "deploy" / "grafana"
DASHBOARD = dashboard.dashboard()
# Of Grafana, as far as they are used.
UNITS = {"short", "s", "bytes", "percentunit", "ops"}
_ENDINGS = ("_bucket", "_count", "_sum")


def names_in(text: str) -> set[str]:
    """Return the names of metrics in a text, as the contract has them."""
    found = set(re.findall(r"\bholdfast_[a-z_]+", text))
    return {
        next((name.removesuffix(e) for e in _ENDINGS if name.removesuffix(e) in CONTRACT), name)
        for name in found
    }


def alerts() -> dict[str, str]:
    """Return the text of each alert by its name."""
    _, *parts = re.split(r"^ +- alert: ", RULES.read_text(), flags=re.MULTILINE)
    return {part.split("\n", 1)[0]: part for part in parts}


def panels() -> list[dict[str, Any]]:
    return list(DASHBOARD["panels"])


def queries() -> list[str]:
    return [target["expr"] for panel in panels() for target in panel.get("targets", [])]


@pytest.mark.parametrize("file", [RULES, TRIED, GRAFANA / "holdfast.json"], ids=lambda at: at.name)
def test_names_are_those_of_the_contract(file: Any) -> None:
    unknown = names_in(file.read_text()) - CONTRACT.keys()
    assert not unknown, f"{file.name} asks for {sorted(unknown)}, which nobody tells"


def test_guide_asks_for_names_of_the_contract() -> None:
    for guide in ("metrics", "alerting", "health"):
        unknown = names_in((ROOT / "docs" / "guides" / f"{guide}.md").read_text()) - CONTRACT.keys()
        assert not unknown, guide


def test_each_alert_fires_in_its_test() -> None:
    fired = set(re.findall(r'alertname="(\w+)"\}\', value', TRIED.read_text()))
    assert fired == alerts().keys()


def test_each_alert_says_how_bad_it_is_what_is_wrong_and_what_to_do() -> None:
    for name, text in alerts().items():
        assert re.search(r"severity: (warning|critical)\}", text), name
        assert "summary:" in text, name
        assert "description:" in text, name


def test_each_alert_of_the_guide_is_there_and_each_one_there_is_in_the_guide() -> None:
    guide = (ROOT / "docs" / "guides" / "alerting.md").read_text()
    assert set(re.findall(r"`(Holdfast[A-Z]\w+)`", guide)) == alerts().keys()


def test_each_panel_says_what_it_shows_in_which_unit_and_where_it_is_read() -> None:
    shown = [panel for panel in panels() if panel["type"] != "row"]
    assert shown
    for panel in shown:
        assert panel["title"], panel["id"]
        assert panel["type"] in {"stat", "timeseries"}, panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS, panel["title"]
        assert panel["targets"], panel["title"]
        letters = [target["refId"] for target in panel["targets"]]
        assert len(set(letters)) == len(letters), panel["title"]
        for reads in (panel, *panel["targets"]):
            assert reads["datasource"] == {"type": "prometheus", "uid": "${source}"}, panel["title"]


def test_dashboard_asks_for_its_data_source_and_its_project() -> None:
    first, *others = DASHBOARD["templating"]["list"]
    assert (first["name"], first["type"], first["query"]) == ("source", "datasource", "prometheus")
    assert [variable["name"] for variable in others] == ["job", "queue", "task"]
    for variable in others:
        assert variable["datasource"]["uid"] == "${source}"
        assert re.fullmatch(r"label_values\(.+, \w+\)", variable["query"]["query"])


def test_dashboard_shows_every_metric_that_is_more_than_its_parts() -> None:
    # What others say too, or only a release.
    left_out = {
        "holdfast_queue_jobs_recorded_total",
        "holdfast_queue_jobs_ended_total",
        "holdfast_queue_priority_oldest_seconds",
        "holdfast_cause_dead_letters",
    }
    assert names_in(json.dumps(DASHBOARD)) == CONTRACT.keys() - left_out


def test_panels_lie_side_by_side_and_have_ids_of_their_own() -> None:
    ids = [panel["id"] for panel in panels()]
    assert len(set(ids)) == len(ids)
    for one, other in combinations([panel["gridPos"] for panel in panels()], 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or below, (one, other)
        assert one["x"] + one["w"] <= 24


def test_queries_use_the_variables_that_are_there() -> None:
    known = {variable["name"] for variable in DASHBOARD["templating"]["list"]}
    for query in queries():
        assert set(re.findall(r"\$\{?(\w+)", query)) <= known, query
        # One that does not say which project would add up several.
        assert query.count("holdfast_") == query.count('{job="$job"'), query
