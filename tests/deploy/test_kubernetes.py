"""What the manifests say: probes that start no Python, pods that may do little, and who may ask whom."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from holdfast.metrics.contract import CONTRACT
from tests.deploy.files import Files


def _pod(deployment: dict[str, Any]) -> dict[str, Any]:
    pod: dict[str, Any] = deployment["spec"]["template"]["spec"]
    return pod


def _pods(files: Files) -> dict[str, dict[str, Any]]:
    kinds = ("Deployment", "StatefulSet", "Job")
    return {name: _pod(found) for kind in kinds for name, found in files.objects(kind).items()}


def test_every_process_is_there(files: Files) -> None:
    names = {f"{files.name}-{part}" for part in ("web", "scheduler", *files.pools)}
    assert set(files.objects("Deployment")) == names
    assert set(files.objects("PodDisruptionBudget")) == names
    assert set(files.objects("Job")) == {f"{files.name}-migrate"}


def test_no_probe_of_a_worker_starts_python(files: Files) -> None:
    for pool in files.pools:
        (container,) = _pod(files.objects("Deployment")[f"{files.name}-{pool}"])["containers"]
        probes = [container[f"{kind}Probe"] for kind in ("startup", "liveness", "readiness")]
        given = {one["name"]: one["value"] for one in container["env"]}
        commands = [probe["exec"]["command"][-1] for probe in probes]
        young = "find {} -mmin -1 | grep -q ."
        ready, alive = (young.format(given[f"HOLDFAST_{kind}_FILE"]) for kind in ("READY", "ALIVE"))
        assert commands == [ready, alive, ready]


def test_worker_has_longer_to_help_itself_than_its_stall_takes(files: Files) -> None:
    for pool in files.pools:
        (container,) = _pod(files.objects("Deployment")[f"{files.name}-{pool}"])["containers"]
        probe = container["livenessProbe"]
        # Old after a minute; a worker connects anew after 40 s and ends by itself after 70.
        assert 60 + probe["periodSeconds"] * probe["failureThreshold"] > 70


def test_pods_may_do_little(files: Files) -> None:
    for name, pod in _pods(files).items():
        assert pod["automountServiceAccountToken"] is False, name
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert container["resources"]["limits"]["memory"], name


def test_web_goes_on_until_no_request_comes_any_more(files: Files) -> None:
    pod = _pod(files.objects("Deployment")[f"{files.name}-web"])
    (container,) = pod["containers"]
    _, seconds = container["lifecycle"]["preStop"]["exec"]["command"]
    assert pod["terminationGracePeriodSeconds"] >= int(seconds) + 30


def test_two_schedulers_run_beside_each_other(files: Files) -> None:
    spec = files.objects("Deployment")[f"{files.name}-scheduler"]["spec"]
    assert spec["replicas"] == 2
    assert "rollingUpdate" in spec["strategy"]


def test_only_processes_of_ours_reach_redis(files: Files) -> None:
    policies = files.objects("NetworkPolicy")
    assert policies[f"{files.name}-closed"]["spec"] == {
        "podSelector": {},
        "policyTypes": ["Ingress"],
    }
    redis = policies[f"{files.name}-redis"]["spec"]
    assert redis["ingress"][0]["from"] == [
        {"podSelector": {"matchLabels": {"holdfast/uses-redis": "yes"}}}
    ]
    for name, deployment in files.objects("Deployment").items():
        assert (
            deployment["spec"]["template"]["metadata"]["labels"]["holdfast/uses-redis"] == "yes"
        ), name


@pytest.mark.parametrize(
    ("overlay", "kind"),
    [("overlays/keda", "ScaledObject"), ("overlays/hpa", "HorizontalPodAutoscaler")],
)
def test_every_pool_is_scaled_by_its_queues(files: Files, overlay: str, kind: str) -> None:
    found = files.objects(kind, below=overlay)
    assert set(found) == {f"{files.name}-{pool}" for pool in files.pools}


def test_jost_scales_from_2_to_10_at_100_queued_for_each(jost: Files) -> None:
    for found in jost.objects("ScaledObject", below="overlays/keda").values():
        spec = found["spec"]
        assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (2, 10)
        assert spec["triggers"][0]["metadata"]["threshold"] == "100"
    for found in jost.objects("HorizontalPodAutoscaler", below="overlays/hpa").values():
        spec = found["spec"]
        assert (spec["minReplicas"], spec["maxReplicas"]) == (2, 10)
        assert spec["metrics"][0]["external"]["target"]["averageValue"] == "100"


def test_bounds_of_a_pool_are_its_own(bakery: Files) -> None:
    scaled = bakery.objects("ScaledObject", below="overlays/keda")
    assert scaled["corner-bakery-ovens"]["spec"]["maxReplicaCount"] == 4
    trigger = scaled["corner-bakery-worker-io"]["spec"]["triggers"][0]["metadata"]
    assert trigger["threshold"] == "2000"
    assert 'queue=~"io-suppliers"' in trigger["query"]


def test_workers_scale_by_a_number_that_there_is(jost: Files) -> None:
    scaled = [
        *jost.objects("ScaledObject", below="overlays/keda").values(),
        *jost.objects("HorizontalPodAutoscaler", below="overlays/hpa").values(),
    ]
    named = {
        name for found in scaled for name in re.findall(r"holdfast_[a-z_]+", json.dumps(found))
    }
    assert named == {"holdfast_queue_jobs"}
    assert named <= {metric.name for metric in CONTRACT.values()}
