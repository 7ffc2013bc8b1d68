"""Which files each tool gets, where it looks for them, and from which template each is written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from holdfast.deploy import dashboard, elsewhere
from holdfast.deploy.description import ALIVE_FILE, PREFORK, READY_FILE, Deployment, Pool
from holdfast.deploy.templating import written

# Path below the project, template, and what the template gets beside the deployment.
File = tuple[str, str, dict[str, Any]]
SECRETS = "deploy/secrets"
"""Folder of files with one secret each, for Compose."""
# How long a web pod goes on after it was told to end: until the last load balancer knows.
_WEB_SLEEP_SECONDS = 5
# Of a file that a process touches, asked by a shell without starting Python.
_IS_YOUNG = "find {} -mmin -1 | grep -q ."


def rendered(target: str, deployment: Deployment) -> dict[str, str]:
    """Return the files of a tool, by their paths below the project."""
    common = {"d": deployment, "m": deployment.monitoring, "alive": ALIVE_FILE, "ready": READY_FILE}
    return {
        path: written(template, common | more)
        for path, template, more in TARGETS[target](deployment)
    }


def _compose(d: Deployment) -> Iterator[File]:
    debugged, metrics = _worker_of_all(d), d.monitoring
    watching = (metrics.token, "GRAFANA_PASSWORD", "FLOWER_BASIC_AUTH", *metrics.secrets)
    more = {
        "secrets_folder": SECRETS,
        "debugged": elsewhere.DEBUG_PORTS,
        "debugged_worker": debugged.command,
        "debugged_environment": debugged.environment,
        "metrics_secrets": _once(*d.secrets, metrics.token),
        "token_secret": [metrics.token],
        "all_secrets": _once(*d.secrets, "POSTGRES_PASSWORD", *watching),
    }
    yield "docker-compose.yml", "docker-compose.yml", more
    yield "deploy/redis/broker.conf", "redis-broker.conf", {}
    yield "deploy/redis/cache.conf", "redis-cache.conf", {}


def _once(*names: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def _worker_of_all(d: Deployment) -> Pool:
    """Return a worker of all queues, for a look at any job."""
    return replace(
        d.pools[0], name="debug", queues=d.queues, kind=PREFORK, concurrency=2, autoscale=None
    )


def _dockerfile(d: Deployment) -> Iterator[File]:
    elsewhere.require_installable(d)
    yield "Dockerfile", "Dockerfile", {}
    yield ".dockerignore", "dockerignore", {}
    yield "deploy/alive.sh", "alive.sh", {}


def _kubernetes(d: Deployment) -> Iterator[File]:
    base, keda, hpa, monitoring = (
        f"deploy/kubernetes/{folder}"
        for folder in ("base", "overlays/keda", "overlays/hpa", "components/monitoring")
    )
    image_name, _, tag = d.image.name.rpartition(":")
    servers = [
        {"name": f"{d.name}-redis", "kept": True, "memory": "1Gi", "requests": "256Mi"},
        {"name": f"{d.name}-redis-cache", "kept": False, "memory": "384Mi", "requests": "128Mi"},
    ]
    pools = [f"{d.name}-{pool.name}" for pool in d.pools]
    more = {
        "image_name": image_name or tag,
        "image_tag": tag if image_name else "latest",
        "redis": servers,
        "budgeted": [f"{d.name}-web", *pools, f"{d.name}-scheduler"],
        "is_alive": _IS_YOUNG.format(ALIVE_FILE),
        "is_ready": _IS_YOUNG.format(READY_FILE),
        "web_sleep": _WEB_SLEEP_SECONDS,
        "web_grace": d.web.grace_seconds + _WEB_SLEEP_SECONDS,
    }
    yield f"{base}/kustomization.yaml", "kubernetes/base-kustomization.yaml", more
    for name in (
        *("namespace", "config", "redis", "migrate", "web"),
        *("workers", "scheduler", "budgets", "network"),
    ):
        yield f"{base}/{name}.yaml", f"kubernetes/{name}.yaml", more
    # Kustomize reads nothing above its own folder, so these two are there once more.
    yield f"{base}/redis-broker.conf", "redis-broker.conf", {}
    yield f"{base}/redis-cache.conf", "redis-cache.conf", {}
    for folder, kind in ((keda, "keda"), (hpa, "hpa")):
        yield f"{folder}/kustomization.yaml", f"kubernetes/{kind}-kustomization.yaml", more
        yield f"{folder}/unset-replicas.yaml", "kubernetes/unset-replicas.yaml", more
    yield f"{keda}/scaled-objects.yaml", "kubernetes/scaled-objects.yaml", more
    yield f"{hpa}/autoscalers.yaml", "kubernetes/autoscalers.yaml", more
    yield f"{hpa}/adapter-rules.yaml", "kubernetes/adapter-rules.yaml", more
    yield f"{monitoring}/kustomization.yaml", "kubernetes/monitoring-kustomization.yaml", more
    for name in ("metrics", "pod-monitor", "prometheus-rule"):
        yield f"{monitoring}/{name}.yaml", f"kubernetes/{name}.yaml", more


def _prometheus(_: Deployment) -> Iterator[File]:
    for name in ("prometheus", "rules", "alertmanager"):
        yield f"deploy/prometheus/{name}.yml", f"prometheus/{name}.yml", {}
    grafana = "deploy/grafana"
    yield f"{grafana}/holdfast.json", "grafana/dashboard.json", {"dashboard": dashboard.text()}
    provisioned = f"{grafana}/provisioning"
    yield f"{provisioned}/datasources/prometheus.yml", "grafana/datasource.yml", {}
    yield f"{provisioned}/dashboards/holdfast.yml", "grafana/dashboards.yml", {}


TARGETS: dict[str, Callable[[Deployment], Iterator[File]]] = {
    "compose": _compose,
    "dockerfile": _dockerfile,
    "kubernetes": _kubernetes,
    "prometheus": _prometheus,
    "systemd": elsewhere.systemd,
    "supervisor": elsewhere.supervisor,
    "nix": elsewhere.nix,
    "idx": elsewhere.idx,
    "procfile": elsewhere.procfile,
    "vscode": elsewhere.vscode,
    "nginx": elsewhere.nginx,
}
"""The tools by the word that `manage.py holdfast render` takes for them."""
