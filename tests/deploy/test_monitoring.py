"""Prometheus, Alertmanager and Grafana as they are rendered: who asks whom by which name, and who gets which secret."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from holdfast.deploy import described, rendered
from holdfast.deploy.facts import Facts
from tests.deploy.files import ROOT, Files

ADDRESSES = {
    "jost": "http://prometheus.monitoring.svc:9090",
    "corner-bakery": "http://prometheus-operated.watch.svc:9090",
}
TOKENS = {"jost": "METRICS_TOKEN", "corner-bakery": "SCALES_TOKEN"}


def _prometheus(files: Files) -> dict[str, Any]:
    (found,) = files.yaml("deploy/prometheus/prometheus.yml")
    return dict(found)


def test_prometheus_reads_the_one_process_that_tells_all(files: Files) -> None:
    (job,) = _prometheus(files)["scrape_configs"]
    (target,) = job["static_configs"][0]["targets"]
    service, port = target.split(":")
    assert job["job_name"] == files.name
    assert files.services[service]["command"][-3:] == ["metrics", "--serve", f"0.0.0.0:{port}"]
    assert "ports" not in files.services[service]
    assert files.services[service]["networks"] == ["backend"]


def test_both_ends_have_the_same_token_as_a_file(files: Files) -> None:
    token = TOKENS[files.name]
    (job,) = _prometheus(files)["scrape_configs"]
    assert job["authorization"] == {"credentials_file": f"/run/secrets/{token}"}
    for service in ("metrics", "prometheus"):
        assert token in files.services[service]["secrets"]
    told = files.services["metrics"]["environment"]
    assert (told[token], told[f"{token}_FILE"]) == ("", f"/run/secrets/{token}")
    monitor = files.objects("PodMonitor", below="components/monitoring")[f"{files.name}-metrics"]
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    assert endpoint["authorization"]["credentials"] == {
        "name": f"{files.name}-secrets",
        "key": token,
    }


def test_addresses_are_those_of_services_of_the_same_network(files: Files) -> None:
    (manager,) = _prometheus(files)["alerting"]["alertmanagers"]
    (source,) = files.yaml("deploy/grafana/provisioning/datasources/prometheus.yml")
    asked = {
        "prometheus": manager["static_configs"][0]["targets"][0],
        "grafana": source["datasources"][0]["url"].removeprefix("http://"),
    }
    for who, address in asked.items():
        service, port = address.split(":")
        assert files.services[service]["ports"] == [f"127.0.0.1:{port}:{port}"]
        assert "backend" in files.services[who]["networks"]
        assert "backend" in files.services[service]["networks"]


def test_alertmanager_has_the_secrets_that_its_file_names(files: Files) -> None:
    text = files.text("deploy/prometheus/alertmanager.yml")
    named = {word.strip() for word in text.split() if word.startswith("/run/secrets/")}
    given = {f"/run/secrets/{name}" for name in files.services["alertmanager"]["secrets"]}
    assert named == given


def test_grafana_finds_source_and_dashboard_where_compose_puts_them(files: Files) -> None:
    mounted = dict(volume.split(":")[:2] for volume in files.services["grafana"]["volumes"])
    (provided,) = files.yaml("deploy/grafana/provisioning/dashboards/holdfast.yml")
    (provider,) = provided["providers"]
    assert mounted["./deploy/grafana/provisioning"] == "/etc/grafana/provisioning"
    assert mounted["./deploy/grafana/holdfast.json"].startswith(provider["options"]["path"] + "/")
    assert json.loads(files.text("deploy/grafana/holdfast.json"))["uid"] == "holdfast"
    given = files.services["grafana"]
    assert given["secrets"] == ["GRAFANA_PASSWORD"]
    assert (
        given["environment"]["GF_SECURITY_ADMIN_PASSWORD__FILE"] == "/run/secrets/GRAFANA_PASSWORD"
    )


def test_operator_has_the_rules_of_prometheus_and_the_name_of_the_job(files: Files) -> None:
    (rules,) = files.yaml("deploy/prometheus/rules.yml")
    (found,) = files.objects("PrometheusRule", below="components/monitoring").values()
    assert found["spec"] == rules
    assert f'up{{job="{files.name}"}}' in json.dumps(rules).replace("\\", "")
    (monitor,) = files.objects("PodMonitor", below="components/monitoring").values()
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    assert endpoint["relabelings"] == [{"targetLabel": "job", "replacement": files.name}]


def test_operator_finds_the_pod_and_its_port(files: Files) -> None:
    below = "components/monitoring"
    name = f"{files.name}-metrics"
    monitor = files.objects("PodMonitor", below=below)[name]["spec"]
    deployment = files.objects("Deployment", below=below)[name]["spec"]
    (container,) = deployment["template"]["spec"]["containers"]
    labels = deployment["template"]["metadata"]["labels"]
    assert monitor["selector"]["matchLabels"].items() <= labels.items()
    assert container["ports"][0]["name"] == monitor["podMetricsEndpoints"][0]["port"]
    # Two beside each other would be counted twice.
    assert (deployment["replicas"], deployment["strategy"]) == (1, {"type": "Recreate"})
    assert labels["holdfast/uses-redis"] == "yes"


def test_autoscalers_ask_for_the_numbers_of_this_project_alone(files: Files) -> None:
    for found in files.objects("ScaledObject", below="overlays/keda").values():
        asked = found["spec"]["triggers"][0]["metadata"]
        assert f'job="{files.name}"' in asked["query"]
        assert asked["serverAddress"] == ADDRESSES[files.name]
    for found in files.objects("HorizontalPodAutoscaler", below="overlays/hpa").values():
        metric = found["spec"]["metrics"][0]["external"]["metric"]
        assert metric["selector"]["matchLabels"] == {"job": files.name}


@pytest.mark.parametrize(
    ("asked", "receivers", "secrets"),
    [
        ({}, ["nobody"], ()),
        ({"pagerduty": True}, ["nobody", "pager"], ("ALERT_PAGERDUTY_KEY",)),
        ({"webhook": "http://bell/"}, ["chat"], ()),
        ({"slack": "#night", "pagerduty": True}, ["chat", "pager"], None),
    ],
)
def test_alerts_go_to_whom_the_project_names(
    asked: dict[str, Any], receivers: list[str], secrets: tuple[str, ...] | None
) -> None:
    deployment = described(
        Facts(
            app="shop",
            settings="shop.settings",
            folder=ROOT,
            wsgi="shop.wsgi:application",
            servers=("gunicorn",),
            asked={"monitoring": asked},
        )
    )
    text = rendered("prometheus", deployment)["deploy/prometheus/alertmanager.yml"]
    found = yaml.safe_load(text)
    assert [one["name"] for one in found["receivers"]] == receivers
    named = {found["route"]["receiver"]} | {
        route["receiver"] for route in found["route"].get("routes", [])
    }
    assert named == set(receivers)
    if secrets is not None:
        assert deployment.monitoring.secrets == secrets
