"""Prometheus' own tools on what stands in deploy/, and the way of an alert through the real services."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast.testing.ports import free_port
from tests.deploy.files import PROJECTS, rendered_for
from tests.harness import SHORT, Site, new_site
from tests.processes import ROOT, SiteProcess
from tests.services.asked import needs, run
from tests.services.watching import PROJECT, Watching, watching

pytestmark = needs("prometheus")
RULES = ROOT / "deploy" / "prometheus"
DASHBOARD = ROOT / "deploy" / "grafana" / "holdfast.json"
TOKEN = "correct-horse"


@pytest.fixture(scope="module")
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    with new_site("postgres", request, holdfast=SHORT) as site:
        yield site


@pytest.fixture(scope="module")
def exporter(site: Site) -> Iterator[tuple[SiteProcess, str]]:
    """A process that serves metrics with a token; returns it with its host and port."""
    place = f"127.0.0.1:{free_port()}"
    process = SiteProcess(
        ["-m", "django", "holdfast", "metrics", "--serve", place],
        log=site.directory / "exporter.log",
        environment=site.environment | {"HOLDFAST_METRICS_TOKEN": TOKEN},
    )
    process.await_line("Metrics are at")
    yield process, place
    process.kill()


@pytest.fixture(scope="module")
def watch(
    exporter: tuple[SiteProcess, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Watching]:
    folder = tmp_path_factory.mktemp("watching")
    with watching(folder, scraped=exporter[1], path="/metrics", token=TOKEN) as watch:
        yield watch


def test_rules_do_what_their_tests_say() -> None:
    run("promtool", "check", "rules", RULES / "rules.yml")
    run("promtool", "test", "rules", "rules_test.yml", here=RULES)


@pytest.mark.parametrize("project", PROJECTS)
def test_configuration_is_taken(tmp_path: Path, project: str) -> None:
    folder = rendered_for(project, tmp_path).folder / "deploy" / "prometheus"
    file, token = folder / "prometheus.yml", tmp_path / "token"
    token.write_text(TOKEN)
    file.write_text(re.sub(r"/run/secrets/\w+_TOKEN", str(token), file.read_text()))
    rules = re.findall(r"- (?:alert|record): ", (folder / "rules.yml").read_text())
    assert f"SUCCESS: {len(rules)} rules found" in run("promtool", "check", "config", file)


@pytest.mark.parametrize(
    ("project", "critical", "warning"), [("jost", "pager,chat", "chat"), ("bakery", "chat", "chat")]
)
def test_alertmanager_takes_its_configuration_and_wakes_somebody_for_what_is_critical(
    tmp_path: Path, project: str, critical: str, warning: str
) -> None:
    files = rendered_for(project, tmp_path)
    config = files.folder / "deploy" / "prometheus" / "alertmanager.yml"
    run("amtool", "check-config", config)
    for severity, receivers in (("critical", critical), ("warning", warning)):
        said = run(
            "amtool", "config", "routes", "test", f"--config.file={config}", f"severity={severity}"
        )
        assert said.splitlines()[0] == receivers


def test_queries_of_the_dashboard_are_understood(tmp_path: Path) -> None:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    queries = [target["expr"] for panel in panels for target in panel.get("targets", [])]
    # In Grafana a variable stands where a value does.
    plain = [json.dumps(re.sub(r"[$]\w+", "x", query)) for query in queries]
    rules = [f"      - {{record: q{n}, expr: {query}}}\n" for n, query in enumerate(plain)]
    (tmp_path / "queries.yml").write_text("groups:\n  - name: q\n    rules:\n" + "".join(rules))
    said = run("promtool", "check", "rules", tmp_path / "queries.yml")
    assert f"{len(queries)} rules found" in said


def test_what_is_told_follows_the_rules_of_prometheus(site: Site) -> None:
    run("promtool", "check", "metrics", given=site.django("holdfast", "metrics"))


def test_real_prometheus_reads_all_with_the_token(site: Site, watch: Watching) -> None:
    worker = site.worker()
    site.task("add").delay(1, 2)
    site.wait_all_final()
    watch.await_value(f'up{{job="{PROJECT}"}}', 1)
    watch.await_value('holdfast_workers{state="serving"}', 1)
    watch.await_value("holdfast_broker_up", 1)
    watch.await_value("min(holdfast_metrics_part_up)", 1)
    assert (watch.value("holdfast_database_connections") or 0) > 0
    worker.stop()


def test_queries_of_the_dashboard_are_answered_for_the_project(site: Site, watch: Watching) -> None:
    watch.await_value(f'up{{job="{PROJECT}"}}', 1)
    panels = json.loads(DASHBOARD.read_text())["panels"]
    answered = set()
    for panel in panels:
        for target in panel.get("targets", []):
            query = target["expr"].replace("$job", PROJECT)
            # Refused ones, such as many series on both sides, are an error here.
            if watch.value(re.sub(r"[$]\w+", ".*", query)) is not None:
                answered.add(panel["title"])
    assert {"Jobs that wait", "Workers", "Database answers", "Memory of Redis"} <= answered


def test_frozen_worker_raises_the_alert_and_one_that_is_mended_clears_it(
    site: Site, watch: Watching
) -> None:
    worker = site.worker()
    watch.await_value('holdfast_workers{state="serving"}', 1)
    watch.await_value('holdfast_workers{state="lost"}', 0)
    worker.signal_group(signal.SIGSTOP)
    watch.await_told("HoldfastWorkerLost", "firing")
    worker.signal_group(signal.SIGCONT)
    watch.await_told("HoldfastWorkerLost", "resolved")
    watch.await_value('holdfast_workers{state="serving"}', 1)
    assert {name for name, _ in watch.told.alerts} == {"HoldfastWorkerLost"}
    worker.stop()
    watch.await_value('holdfast_workers{state="lost"}', 0)
