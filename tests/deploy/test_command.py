"""`manage.py holdfast render`: what it prints, writes and compares, and what a project may put in its place."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings

from holdfast.deploy import TARGETS, described, differences, rendered, write
from holdfast.deploy.facts import Facts
from holdfast.exceptions import ConfigurationError, HoldfastError
from tests.deploy.files import ROOT, render

SHOP = described(
    Facts(
        app="shop",
        settings="shop.settings",
        folder=ROOT,
        wsgi="shop.wsgi:application",
        servers=("gunicorn",),
        requirements="requirements.txt",
    )
)


def test_one_file_is_printed_as_it_is(tmp_path: Path) -> None:
    done = render("procfile", settings="jost.settings.test")
    assert done.stdout == (ROOT / "Procfile").read_text()


def test_several_files_are_printed_below_their_names() -> None:
    done = render("dockerfile", settings="tests.deploy.bakery.settings")
    assert done.stdout.startswith("# ---- Dockerfile\n")
    assert "# ---- .dockerignore" in done.stdout


def test_what_was_written_is_up_to_date_and_what_was_changed_is_not(tmp_path: Path) -> None:
    bakery = "tests.deploy.bakery.settings"
    render("compose", "--output", str(tmp_path), settings=bakery)
    assert render("compose", "--check", "--output", str(tmp_path), settings=bakery).returncode == 0
    broker = tmp_path / "deploy" / "redis" / "broker.conf"
    broker.write_text(broker.read_text().replace("noeviction", "allkeys-lru"))

    done = render("compose", "--check", "--output", str(tmp_path), settings=bakery)

    assert done.returncode == 1
    assert "-maxmemory-policy allkeys-lru" in done.stdout
    assert "+maxmemory-policy noeviction" in done.stdout
    assert "render compose --write" in done.stderr


def test_file_that_is_not_there_differs(tmp_path: Path) -> None:
    files = rendered("procfile", SHOP)
    assert any("/dev/null" in line for line in differences(files, tmp_path))
    write(files, tmp_path)
    assert list(differences(files, tmp_path)) == []


def test_what_is_right_is_not_written_again(tmp_path: Path) -> None:
    files = rendered("nix", SHOP)
    assert write(files, tmp_path) == list(files)
    (tmp_path / "nix" / "flake.nix").write_text("{}")
    assert write(files, tmp_path) == ["nix/flake.nix"]
    assert [path.name for path in tmp_path.rglob("*.new")] == []


def test_scripts_can_be_run(tmp_path: Path) -> None:
    write(rendered("nix", SHOP), tmp_path)
    modes = {
        path.name: path.stat().st_mode & 0o111 for path in (tmp_path / "nix" / "scripts").iterdir()
    }
    assert modes["stack.sh"]
    assert modes["kill-services.sh"]
    assert not modes["environment.sh"]


@pytest.mark.parametrize("target", TARGETS)
def test_project_that_says_nothing_gets_every_file(target: str) -> None:
    files = rendered(target, SHOP)
    assert files
    assert all(text.strip() for text in files.values())


def test_project_may_have_templates_of_its_own(tmp_path: Path) -> None:
    own = tmp_path / "holdfast" / "deploy" / "Procfile"
    own.parent.mkdir(parents=True)
    own.write_text("web: ours for {{ d.name }}\n")
    with override_settings(TEMPLATES=[{"BACKEND": "x", "DIRS": [tmp_path]}]):
        assert rendered("procfile", SHOP) == {"Procfile": "web: ours for shop\n"}


def test_template_that_asks_for_what_is_not_there_is_refused(tmp_path: Path) -> None:
    own = tmp_path / "holdfast" / "deploy" / "Procfile"
    own.parent.mkdir(parents=True)
    own.write_text("web: {{ d.hostname }}\n")
    with (
        override_settings(TEMPLATES=[{"BACKEND": "x", "DIRS": [str(tmp_path)]}]),
        pytest.raises(HoldfastError, match=r"'d\.hostname', which a deployment does not have"),
    ):
        rendered("procfile", SHOP)


@pytest.mark.parametrize("value", ['it\'s "both"', "a ; comment", "a # comment"])
def test_value_that_supervisor_cannot_take_is_refused(value: str) -> None:
    with pytest.raises(ConfigurationError, match=r"\['A'\] cannot be written for Supervisor"):
        rendered("supervisor", replace(SHOP, environment={"A": value}))


@pytest.mark.parametrize("target", ["dockerfile", "nix", "idx"])
def test_environment_with_nothing_in_it_is_refused(target: str) -> None:
    nothing = replace(SHOP, image=replace(SHOP.image, requirements="", package=()))
    with pytest.raises(ConfigurationError, match=r"no requirements\.txt.*'requirements/production"):
        rendered(target, nothing)
    assert rendered(target, replace(nothing, image=replace(nothing.image, package=("src",))))


def test_folder_that_cannot_be_written_to_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdfast.management.verbs.render.described", lambda: SHOP)
    (tmp_path / "file").touch()
    with pytest.raises(CommandError, match=r"file cannot be written to .*--output"):
        call_command("holdfast", "render", "procfile", "--output", str(tmp_path / "file"))


def test_unknown_tool_is_refused_with_those_there_are() -> None:
    with pytest.raises(CommandError, match=r"compose.*nginx"):
        call_command("holdfast", "render", "helm")
