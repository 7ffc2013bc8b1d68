"""Every file in the hands of its tool, and that the tool would have seen a fault in it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.deploy.files import Files
from tests.deploy.tools import run, tool
from tests.docs.pages import ROOT

pytestmark = pytest.mark.services


@pytest.fixture
def copy(files: Files, tmp_path: Path) -> Path:
    """The files, to be spoilt."""
    folder = tmp_path / "copy"
    shutil.copytree(files.folder, folder)
    return folder


def _spoil(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_compose_file_fits_the_specification(copy: Path) -> None:
    check = [tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec"]
    file = copy / "docker-compose.yml"
    assert run(*check, file).returncode == 0, run(*check, file).stdout
    _spoil(file, "stop_grace_period:", "stop_grace_periode:")
    assert run(*check, file).returncode == 1


def test_workflow_of_a_release_fits_its_schema(tmp_path: Path) -> None:
    check = [tool("check-jsonschema"), "--builtin-schema", "vendor.github-workflows"]
    file = tmp_path / "release.yml"
    shutil.copy(ROOT / ".github" / "workflows" / "release.yml", file)
    assert run(*check, file).returncode == 0, run(*check, file).stdout
    _spoil(file, "runs-on:", "runs-onn:")
    assert run(*check, file).returncode == 1


def test_image_has_no_fault_that_hadolint_knows(copy: Path) -> None:
    lint, file = tool("hadolint"), copy / "Dockerfile"
    done = run(lint, file)
    assert done.returncode == 0, done.stdout
    _spoil(
        file, "-slim-bookworm AS build", ":latest AS build".replace(":", "-slim AS x\nFROM debian:")
    )
    assert run(lint, file).returncode == 1


@pytest.mark.parametrize(
    ("layer", "watched"), [("base", False), ("overlays/keda", True), ("overlays/hpa", False)]
)
def test_manifests_fit_the_schemas_of_kubernetes(
    copy: Path, tmp_path: Path, layer: str, watched: bool
) -> None:
    kustomize, validate = tool("kubectl", may_be_missing=True), tool("kubernetes-validate")
    if watched:
        with (copy / "deploy" / "kubernetes" / layer / "kustomization.yaml").open("a") as file:
            file.write(f"components: [{'../' * (layer.count('/') + 1)}components/monitoring]\n")
    built = run(kustomize, "kustomize", copy / "deploy" / "kubernetes" / layer, folder=tmp_path)
    assert built.returncode == 0, built.stderr
    whole = tmp_path / "whole.yaml"
    whole.write_text(built.stdout)
    done = run(validate, "--strict", whole, folder=tmp_path)
    assert done.returncode == 0, done.stdout
    # Whoever scales says how many there are.
    scaled = [part for part in built.stdout.split("\n---\n") if 'holdfast/scaled: "yes"' in part]
    assert scaled
    assert all(("replicas:" in part) is (layer == "base") for part in scaled)
    _spoil(whole, "terminationGracePeriodSeconds:", "terminationGraceSeconds:")
    assert run(validate, "--strict", whole, folder=tmp_path).returncode != 0


def test_single_manifests_fit_too(files: Files, tmp_path: Path) -> None:
    validate = tool("kubernetes-validate")
    folder = files.folder / "deploy" / "kubernetes"
    no_objects = {"kustomization.yaml", "unset-replicas.yaml", "adapter-rules.yaml"}
    assert sorted(folder.rglob("prometheus-rule.yaml"))
    for path in sorted(folder.rglob("*.yaml")):
        if path.name not in no_objects:
            done = run(validate, "--strict", path, folder=tmp_path)
            assert done.returncode == 0, done.stdout


_SPOILT = {
    "overlays/keda/scaled-objects.yaml": [
        ("maxReplicaCount:", "maxReplicas:"),
        ("pollingInterval: 15", "pollingInterval: 15s"),
    ],
    "components/monitoring/pod-monitor.yaml": [("interval: 15s", "interval: 15 s")],
    "components/monitoring/prometheus-rule.yaml": [("annotations:", "annotation:")],
}


def test_objects_of_others_fit_the_schemas_of_those(copy: Path, files: Files) -> None:
    python = Path(tool("check-jsonschema")).with_name("python")
    folder = copy / "deploy" / "kubernetes"
    paths = [folder / path for path in _SPOILT]
    check = [python, Path(__file__).with_name("custom_kinds.py"), *paths]
    done = run(*check)
    number = f"{len(files.pools) + 2} objects looked at\n"
    assert (done.returncode, done.stdout) == (0, number), done.stderr
    for path, changes in _SPOILT.items():
        for right, wrong in changes:
            _spoil(folder / path, right, wrong)
    done = run(*check)
    assert done.returncode == 1
    name = f"{files.name}-{next(iter(files.pools))}"
    assert {line.partition(": [")[0] for line in done.stdout.splitlines()[:-1]} == {
        f"ScaledObject {name}: spec: Additional properties are not allowed ('maxReplicas' was unexpected)",
        f"ScaledObject {name}: spec.pollingInterval: '15s' is not valid under any of the given schemas",
        f"PodMonitor {files.name}-metrics: spec.podMetricsEndpoints",
        f"PrometheusRule {files.name}-holdfast: spec.groups",
    }


def test_units_are_ones_that_systemd_takes(copy: Path, files: Files) -> None:
    verify = [tool("systemd-analyze"), "verify"]
    units = copy / "deploy" / "systemd"
    for path in units.rglob("*.service"):
        _with_programs_of_this_host(path)
    for path in units.rglob("*.conf"):
        _with_programs_of_this_host(path)
    names = [f"{files.name}.target", f"{files.name}-web.service", f"{files.name}-scheduler.service"]
    names += [f"{files.name}-worker@{pool}.service" for pool in files.pools]
    # Unknown keys are told and change no code: any word is a fault.
    done = run(*verify, *names, SYSTEMD_UNIT_PATH=f"{units}:")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    pool = units / f"{files.name}-worker@worker.service.d" / "pool.conf"
    _spoil(pool, "TimeoutStopSec", "TimeoutStopSeconds")
    assert "TimeoutStopSeconds" in run(*verify, *names, SYSTEMD_UNIT_PATH=f"{units}:").stderr


def _with_programs_of_this_host(path: Path) -> None:
    """No project is installed here: another program stands for those of its environment."""
    lines = path.read_text().splitlines()
    start = "ExecStart=/srv/"
    path.write_text(
        "\n".join(
            "ExecStart=/bin/true " + line.split(maxsplit=1)[1] if line.startswith(start) else line
            for line in lines
        )
        + "\n"
    )


@pytest.mark.parametrize("path", [".idx/dev.nix", "nix/flake.nix"])
def test_nix_can_be_read(copy: Path, path: str) -> None:
    parse, file = tool("nix-instantiate"), copy / path
    done = run(parse, "--parse", file, folder=copy)
    assert done.returncode == 0, done.stderr
    _spoil(file, "};", "}")
    assert run(parse, "--parse", file, folder=copy).returncode != 0


_STAND_IN = """
{ outputs = { self }: let
    package = name: { type = "derivation"; inherit name; system = "x"; outPath = "/p"; drvPath = "/p.drv"; };
    named = names: make: builtins.listToAttrs (map (name: { inherit name; value = make name; }) names);
    tools = [ "python312" "python313" "uv" "postgresql_17" "redis" "process-compose" "coreutils" "gnumake" "git" ];
    own = {
      mkShell = said: package "shell";
      writeShellApplication = said: package said.name // { inherit (said) text; };
    };
  in {
    lib.genAttrs = named;
    legacyPackages = named [ "x86_64-linux" "aarch64-linux" "x86_64-darwin" "aarch64-darwin" ]
      (system: named tools package // own);
  };
}
"""


def test_flake_has_a_shell_and_a_stack(copy: Path, tmp_path: Path) -> None:
    nix, stand_in = tool("nix"), tmp_path / "nixpkgs"
    stand_in.mkdir()
    (stand_in / "flake.nix").write_text(_STAND_IN)
    own = {
        "NIX_STORE_DIR": str(tmp_path / "store"),
        "NIX_STATE_DIR": str(tmp_path / "state"),
        "NIX_LOG_DIR": str(tmp_path / "log"),
        "NIX_CONFIG": "experimental-features = nix-command flakes\nsandbox = false\nbuild-users-group =",
    }
    flake = f"path:{copy / 'nix'}"
    options = ["--override-input", "nixpkgs", f"path:{stand_in}", "--no-write-lock-file"]

    def ask(attribute: str) -> str:
        done = run(nix, "eval", *options, f"{flake}#{attribute}", folder=tmp_path, **own)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    assert ask("devShells.x86_64-linux.default.name") == '"shell"'
    assert ask("packages.aarch64-darwin.stack.name") == '"stack"'
    assert "stack.sh" in ask("packages.x86_64-linux.default.text")
