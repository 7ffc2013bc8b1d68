"""What the files of two projects say: every process is there, with one patience, its flags, and nothing open."""

from __future__ import annotations

import configparser
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from holdfast.deploy.asked import RESERVED
from tests.deploy.files import BAKERY, JOST, ROOT, Files, render

FLAGS = ("--without-gossip", "--without-mingle", "--without-heartbeat")
MONITORING = ("metrics", "prometheus", "alertmanager", "grafana", "flower")
WORKER_FILES = (
    *("docker-compose.yml", "deploy/kubernetes/base/workers.yaml", "deploy/supervisor/NAME.conf"),
    *("Procfile", "nix/process-compose.yaml", ".idx/dev.nix", ".vscode/launch.json"),
)


def test_files_of_jost_are_what_its_settings_say() -> None:
    done = render("all", "--check", settings="jost.settings.test")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", WORKER_FILES)
def test_every_worker_command_in_every_file_has_the_three_flags(files: Files, path: str) -> None:
    commands = re.findall(r'\bworker"?,?\s+"?--hostname.*?(?=\n\n|\Z)', files.text(path), re.DOTALL)
    assert commands
    assert all(flag in command for command in commands for flag in FLAGS)


def test_every_unit_has_them_too(files: Files) -> None:
    for pool in files.pools:
        text = files.text(f"deploy/systemd/NAME-worker@{pool}.service.d/pool.conf")
        assert all(flag in text for flag in FLAGS)


def test_nothing_is_left_of_a_template(files: Files) -> None:
    for path in files.paths:
        text = path.read_text()
        # Those of Prometheus and Grafana have templates of their own: {{ $value }}, {{queue}}.
        others = path.parent.name in {"prometheus", "grafana", "monitoring"}
        ours = r"\{\{ ?[dm]\." if others else r"\{\{[^}]*\}\}"
        assert not re.search(ours + r"|\{%|&quot;|&#x27;|<<nothing", text), path
        assert text.endswith("\n"), path
        assert not text.endswith("\n\n"), path


def test_all_tools_wait_equally_long_for_a_pools_jobs(files: Files) -> None:
    supervisor = configparser.RawConfigParser()
    supervisor.read_string(files.text("deploy/supervisor/NAME.conf"))
    (processes,) = files.yaml("nix/process-compose.yaml")
    for pool, seconds in files.pools.items():
        deployment = files.objects("Deployment")[f"{files.name}-{pool}"]
        unit = files.text(f"deploy/systemd/NAME-worker@{pool}.service.d/pool.conf")
        assert files.services[pool]["stop_grace_period"] == f"{seconds}s"
        assert deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == seconds
        assert f"\nTimeoutStopSec={seconds}\n" in unit
        assert f"\nEnvironment=HOLDFAST_STOP_SECONDS={seconds - 30}\n" in unit
        assert files.services[pool]["environment"]["HOLDFAST_STOP_SECONDS"] == str(seconds - 30)
        assert supervisor[f"program:{files.name}-{pool}"]["stopwaitsecs"] == str(seconds)
        assert processes["processes"][pool]["shutdown"]["timeout_seconds"] == seconds


def test_compose_has_every_service(files: Files) -> None:
    expected = {
        "postgres",
        "redis",
        "redis-cache",
        "app",
        "migrate",
        "beat",
        *MONITORING,
        *files.pools,
    }
    assert set(files.services) == expected | {"app-dev", "app-debug", "worker-debug"}


def test_compose_starts_by_what_is_healthy_and_starts_again(files: Files) -> None:
    for name in ("app", "beat", *files.pools):
        service = files.services[name]
        conditions = {other: said["condition"] for other, said in service["depends_on"].items()}
        assert conditions == {
            "postgres": "service_healthy",
            "redis": "service_healthy",
            "redis-cache": "service_healthy",
            "migrate": "service_completed_successfully",
        }
        assert service["restart"] == "unless-stopped"
        assert service["deploy"]["resources"]["limits"].keys() == {"cpus", "memory"}
        assert "build" in service
    for name in ("postgres", "redis", "redis-cache"):
        assert files.services[name]["healthcheck"]["test"]


def test_compose_publishes_on_this_machine_only_and_no_redis(files: Files) -> None:
    ports = {name: service.get("ports", []) for name, service in files.services.items()}
    assert all(port.startswith("127.0.0.1:") for found in ports.values() for port in found)
    for name in ("postgres", "redis", "redis-cache"):
        assert ports[name] == []
        assert files.services[name]["networks"] == ["backend"]
    (compose,) = files.yaml("docker-compose.yml")
    assert compose["networks"]["backend"] == {"internal": True}


def test_compose_gives_every_process_the_same_variables(files: Files) -> None:
    common = files.services["app"]["environment"]
    for name in ("migrate", "beat", *files.pools):
        given = files.services[name]["environment"]
        assert {key: given[key] for key in common} == common
    assert "localhost" not in json.dumps(common)
    assert "127.0.0.1" not in json.dumps(common)


def test_compose_gives_secrets_as_files(files: Files) -> None:
    (compose,) = files.yaml("docker-compose.yml")
    secrets = files.services["app"]["secrets"]
    assert "POSTGRES_PASSWORD" in secrets
    for secret in secrets:
        assert files.services["app"]["environment"][secret] == ""
        assert compose["secrets"][secret]["file"].startswith("${SECRETS_DIR:-./deploy/secrets}/")


def test_every_secret_that_a_service_names_is_a_file_and_is_explained(files: Files) -> None:
    (compose,) = files.yaml("docker-compose.yml")
    named = {secret for service in files.services.values() for secret in service.get("secrets", [])}
    assert named == set(compose["secrets"])
    if files.name == "jost":
        page = (ROOT / "deploy" / "secrets" / "README.md").read_text()
        assert [name for name in named if f"`{name}`" not in page] == []


def test_every_volume_is_there(files: Files) -> None:
    (compose,) = files.yaml("docker-compose.yml")
    for name, service in files.services.items():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("./"):
                assert (files.folder / source).exists(), (name, volume)
            elif source != ".":
                assert source in compose["volumes"], (name, volume)


@pytest.mark.parametrize(
    "command",
    [
        "up -d postgres redis",
        "run --rm app python3 manage.py migrate",
        "up app worker beat",
        "up -d app worker beat",
        "up --build app worker beat",
        "run --rm app python3 manage.py test lead",
        "run --rm app python3 manage.py createsuperuser",
    ],
)
def test_commands_of_compose_find_what_they_name(jost: Files, command: str) -> None:
    verb, *words = [word for word in command.split() if not word.startswith("-")]
    services, inside = (words, []) if verb == "up" else (words[:1], words[1:])
    assert all("profiles" not in jost.services[name] for name in services)
    if "--build" in command:
        assert all("build" in jost.services[name] for name in services)
    if inside:
        # Nothing stands before what is asked for, and both are there.
        image = jost.text("Dockerfile")
        assert "ENTRYPOINT" not in image
        assert "entrypoint" not in jost.services[services[0]]
        assert "WORKDIR /app\n" in image
        assert (ROOT / inside[1]).is_file()


@pytest.mark.parametrize(
    ("service", "profile"),
    [
        *((service, "monitoring") for service in MONITORING),
        ("app-dev", "dev"),
        ("app-debug", "debug"),
        ("worker-debug", "debug"),
    ],
)
def test_what_is_not_always_wanted_has_a_profile(files: Files, service: str, profile: str) -> None:
    assert files.services[service]["profiles"] == [profile]
    assert not any("profiles" in files.services[name] for name in ("app", "beat", *files.pools))


def test_pools_of_jost_are_those_of_its_queues(jost: Files) -> None:
    def served(pool: str) -> str:
        command = jost.services[pool]["command"]
        return f"{command[command.index('--queues') + 1]} {command[command.index('--concurrency') + 1]}"

    assert {pool: served(pool) for pool in JOST["pools"]} == {
        "worker": "default,critical,low-priority,alerts 4",
        "worker-fast": "fast 8",
        "worker-cpu": "cpu 2",
        "worker-io": "io 20",
    }
    assert jost.services["worker-cpu"]["deploy"]["resources"]["limits"]["cpus"] == "4"


def test_another_project_has_its_own_names_everywhere(bakery: Files) -> None:
    mine = [path for path in bakery.paths if re.search("jost|NIX_DAPHNE", path.read_text())]
    assert mine == []
    assert set(BAKERY["pools"]) <= set(bakery.services)
    assert bakery.services["app"]["ports"] == ["127.0.0.1:9000:9000"]
    assert set(bakery.services) - set(BAKERY["pools"]) <= RESERVED
    # Celery("bakery.core") is a label, and no module.
    assert "tests.deploy.bakery" in bakery.services["ovens"]["command"]


def test_value_with_signs_that_mean_something_comes_through(bakery: Files, tmp_path: Path) -> None:
    motto = 'fresh: 100% "bread" & $5 off, {true}'
    in_compose = bakery.services["app"]["environment"]["MOTTO"]
    assert "$$5" in in_compose
    assert in_compose.replace("$$", "$") == motto
    (config,) = bakery.objects("ConfigMap").values()
    assert config["data"]["MOTTO"] == motto
    supervisor = configparser.ConfigParser()
    supervisor.read_string(bakery.text("deploy/supervisor/NAME.conf"))
    assert f"MOTTO='{motto}'" in supervisor["program:corner-bakery-web"]["environment"]
    (tmp_path / "env.list").write_text("POSTGRES_HOST=postgres\n")
    show = f'. {bakery.folder}/nix/scripts/environment.sh; printf %s "$MOTTO"'
    assert subprocess.check_output(["bash", "-c", show], cwd=tmp_path, text=True) == motto


def test_broker_keeps_everything_and_the_cache_evicts(files: Files) -> None:
    broker, cache = (
        _redis(files.text(f"deploy/redis/{name}.conf")) for name in ("broker", "cache")
    )
    assert broker["maxmemory-policy"] == "noeviction"
    assert (broker["appendonly"], broker["timeout"], broker["maxmemory"]) == ("yes", "0", "512mb")
    assert cache["maxmemory-policy"] == "allkeys-lru"
    assert cache["timeout"] == "0"
    for name in ("broker", "cache"):
        copy = files.text(f"deploy/kubernetes/base/redis-{name}.conf")
        assert copy == files.text(f"deploy/redis/{name}.conf")


def _redis(text: str) -> dict[str, str]:
    lines = [line.split(maxsplit=1) for line in text.splitlines() if line and line[0] != "#"]
    return {line[0]: line[1] for line in lines}


def test_static_files_are_collected_where_no_image_has_them(files: Files) -> None:
    (processes,) = files.yaml("nix/process-compose.yaml")
    collected = "collectstatic" in processes["processes"]["migrate"]["command"]
    assert collected is ("collectstatic" in files.text("Dockerfile"))
    assert collected is (files.name == "jost")


def test_image_has_stages_and_no_root(files: Files) -> None:
    lines = files.text("Dockerfile").splitlines()
    stages = [line.split() for line in lines if line.startswith("FROM")]
    assert [stage[-1] for stage in stages] == ["build", "runtime", "debug", "runtime"]
    users = [line for line in lines if line.startswith("USER")]
    assert users[0] == users[-1] == "USER 10001:10001"
    (command,) = [line.removeprefix("CMD ") for line in lines if line.startswith("CMD")]
    assert isinstance(json.loads(command), list)
    assert any(line.startswith("HEALTHCHECK") for line in lines)
    assert "deploy/secrets" in files.text(".dockerignore").splitlines()
    assert stages[0][1] == f"python:{files.python}-slim-bookworm"


def test_requirements_are_installed_before_the_code_is_copied(jost: Files) -> None:
    text = jost.text("Dockerfile")
    assert (
        text.index("COPY requirements.lock")
        < text.index("--require-hashes")
        < text.index("COPY . .")
    )


def test_procfile_has_every_process(files: Files) -> None:
    processes = dict(line.split(": ", 1) for line in files.text("Procfile").splitlines())
    assert set(processes) == {"release", "web", "scheduler", *files.pools}
    assert "$PORT" in processes["web"]


def test_debugger_listens_where_the_editor_looks(files: Files) -> None:
    text = re.sub(r"^\s*//.*$", "", files.text(".vscode/launch.json"), flags=re.MULTILINE)
    said: dict[str, Any] = json.loads(text)
    found = {one["name"]: one for one in said["configurations"]}
    assert found["Attach to web in Compose"]["connect"]["port"] == 5678
    assert found["Attach to worker"]["connect"] == {"host": "127.0.0.1", "port": 5679}
    for service, port in (("app-debug", 5678), ("worker-debug", 5679)):
        assert f"127.0.0.1:{port}:{port}" in files.services[service]["ports"]
        assert files.services[service]["environment"]["HOLDFAST_DEBUGGER"] == f"0.0.0.0:{port}"
    assert all(set(one["configurations"]) <= set(found) for one in said["compounds"])


def test_workspace_says_where_redis_is_and_starts_page_and_worker(files: Files) -> None:
    text = files.text(".idx/dev.nix")
    assert 'CELERY_BROKER_URL = "redis://127.0.0.1:6379/0";' in text
    assert "services.redis.enable = true;" in text
    assert files.queues in text
    assert re.search(r"web = \{\s+command = \[ \".venv/bin/python\" \"manage.py\"", text)
    assert re.search(r"worker = \{\s+command = \[ \".venv/bin/celery\"", text)


def test_nginx_passes_events_on_as_they_come(jost: Files) -> None:
    console = (
        jost.text("deploy/nginx/NAME.conf").partition("location /holdfast/ {")[2].partition("}")[0]
    )
    assert "proxy_buffering off;" in console


def test_readme_of_the_files_names_every_process_and_queue() -> None:
    text = (ROOT / "deploy" / "README.md").read_text()
    processes = [
        *("postgres", "redis", "redis-cache", "app", "migrate", "beat", *MONITORING),
        *(*JOST["pools"], *str(JOST["queues"]).split(",")),
    ]
    assert [name for name in processes if f"`{name}`" not in text] == []
