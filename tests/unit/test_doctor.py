"""The doctor's own rules: ids, the order of probes, what becomes of those that fail, and how all is told."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from holdfast import checks
from holdfast.doctor import command, examining, probing, starting
from holdfast.doctor.findings import REGISTRY, Definition, Finding, Severity, define
from holdfast.doctor.look import Look
from holdfast.doctor.probing import Absent, Probe, chosen, probes
from holdfast.doctor.report import HEALTHY, SICK, WARNED, Report, Skipped
from holdfast.doctor.sending import routed_to
from holdfast.doctor.surroundings import Surroundings
from tests.docs import findings as page
from tests.docs.pages import ROOT

ERROR = Definition(id="holdfast.E998", title="It Is Broken", leads_to="Harm.", repair="Mend it.")
WARNING = Definition(id="holdfast.W999", title="It creaks", leads_to="Harm.", repair="Oil it.")


def _probe(name: str, look: Any, **options: Any) -> Probe:
    return Probe(name=name, area="test", look=look, finds=(ERROR, WARNING), **options)


def _says(*found: Finding) -> Any:
    def look(_: Look) -> Iterator[Finding]:
        yield from found

    return look


def _raises(error: Exception) -> Any:
    def look(_: Look) -> Iterator[Finding]:
        yield from ()
        raise error

    return look


def _examine(*asked: Probe, seconds: float | None = None) -> tuple[list[Finding], list[Skipped]]:
    """Ask some probes in place of all."""
    round = examining._Round(asked, Look(), seconds=seconds)
    round.run()
    return round.found(), round.skipped


def test_page_of_findings_is_what_the_registry_says() -> None:
    probes()
    stale = "docs/reference/findings.md is stale: run python -m tests.docs.findings --write"
    assert page.page_with(page.render()) == page.PAGE.read_text(), stale


def test_every_check_of_django_is_a_finding() -> None:
    probes()
    ids = {value for value in vars(checks).values() if str(value).startswith("holdfast.")} & set(
        map(str, vars(checks).values())
    )
    known = {id for id in ids if id[len("holdfast.")] in "EWI" and id[-3:].isdigit()}
    assert known
    assert known <= set(REGISTRY)


def test_every_finding_can_be_said_by_a_probe_or_by_what_comes_before() -> None:
    from holdfast.doctor.starting import FINDS

    before = {one.id for one in (*FINDS, examining.PROBE_FAILED, examining.PROBE_LATE)}
    said = {one.id for probe in probes() for one in probe.finds}
    assert set(REGISTRY) == before | said


@pytest.mark.parametrize(
    "id",
    ["holdfast.E310", "holdfast.W310", "holdfast.X1", "E999", "holdfast.W520", "holdfast.E520"],
)
def test_id_that_is_taken_or_is_none_is_refused(id: str) -> None:
    probes()
    with pytest.raises(ValueError, match=id):
        define(id, title="", leads_to="", repair="")


def test_probe_that_raises_is_a_finding_and_its_neighbours_go_on() -> None:
    failing = _probe("failing", _raises(RuntimeError("no way")), establishes=("redis",))
    found, skipped = _examine(
        failing,
        _probe("well", _says(WARNING.seen("seen"))),
        _probe("later", _says(ERROR.seen("never")), after=("redis",)),
    )
    assert [one.id for one in found] == [examining.PROBE_FAILED.id, WARNING.id]
    assert "RuntimeError: no way" in found[0].evidence
    assert [(one.probe, one.because) for one in skipped] == [("later", probing.THINGS["redis"])]


def test_probe_that_hangs_is_a_finding_in_time() -> None:
    forever = threading.Event()

    def hangs(_: Look) -> Iterator[Finding]:
        forever.wait(60)
        yield from ()

    found, _ = _examine(_probe("hanging", hangs), seconds=0.05)
    forever.set()
    assert [one.id for one in found] == [examining.PROBE_LATE.id]
    assert "hanging" in found[0].evidence


def test_what_depends_on_a_broken_thing_is_not_asked_and_so_on() -> None:
    found, skipped = _examine(
        _probe("third", _says(ERROR.seen("never")), after=("tables",)),
        _probe("second", _says(), after=("database",), establishes=("tables",)),
        _probe("first", _says(ERROR.seen("broken")), establishes=("database",)),
    )
    assert [one.evidence for one in found] == ["broken"]
    assert {one.probe for one in skipped} == {"second", "third"}


def test_warning_breaks_nothing() -> None:
    found, skipped = _examine(
        _probe("first", _says(WARNING.seen("creaks")), establishes=("database",)),
        _probe("second", _says(WARNING.seen("asked")), after=("database",)),
    )
    assert ([one.evidence for one in found], skipped) == (["creaks", "asked"], [])


def test_thing_that_the_project_does_not_have_is_passed_by_in_silence() -> None:
    found, skipped = _examine(
        _probe("absent", _raises(Absent()), establishes=("redis",)),
        _probe("second", _says(ERROR.seen("never")), after=("redis",)),
    )
    assert (found, [one.probe for one in skipped]) == ([], ["second"])


def test_probes_that_wait_for_each_other_are_asked_all_the_same() -> None:
    found, _ = _examine(
        _probe("one", _says(WARNING.seen("1")), after=("redis",), establishes=("broker",)),
        _probe("two", _says(WARNING.seen("2")), after=("broker",), establishes=("redis",)),
    )
    assert [one.evidence for one in found] == ["1", "2"]


def test_choice_of_one_finding_brings_the_probes_it_rests_on() -> None:
    names = {one.name for one in chosen(probes(), only=["E312"], deploy=False)}
    assert names == {"broker_answers", "broker_is_named"}
    with pytest.raises(ValueError, match="neither an area"):
        chosen(probes(), only=["brokr"], deploy=False)


def test_probes_of_a_deployment_are_asked_for() -> None:
    assert any(one.deploy for one in chosen(probes(), only=[], deploy=True))
    assert not any(one.deploy for one in chosen(probes(), only=[], deploy=False))


@pytest.mark.parametrize(
    ("found", "fail_on", "status"),
    [
        ([], Severity.INFO, HEALTHY),
        ([WARNING], Severity.ERROR, HEALTHY),
        ([WARNING], Severity.WARNING, WARNED),
        ([WARNING, ERROR], Severity.WARNING, SICK),
        ([ERROR], Severity.ERROR, SICK),
    ],
)
def test_exit_status(found: list[Definition], fail_on: Severity, status: int) -> None:
    report = Report(findings=[one.seen("seen") for one in found])
    assert report.status(fail_on=fail_on) == status


def test_report_for_people_ends_in_what_to_do_first() -> None:
    report = Report(
        findings=[ERROR.seen("two\nlines"), WARNING.seen("seen")],
        skipped=[Skipped(probe="a", area="broker", because="it is gone")],
    )
    lines = list(report.lines())
    assert lines[0] == "1 error:"
    assert any("holdfast.E998  It Is Broken" in line for line in lines)
    assert "Not looked at (1 probe of broker), because it is gone." in lines
    assert lines[-1] == "First mend holdfast.E998 (it Is Broken): mend it, then the other one."
    assert list(Report(findings=[]).lines()) == ["Nothing is wrong that can be seen."]


def test_json_says_all_of_it() -> None:
    report = Report(findings=[ERROR.seen("seen", about="x", at=Path("/x"))])
    said = json.loads(report.as_json())
    assert (said["schema"], said["ok"], said["counts"]["error"]) == (1, False, 1)
    assert said["findings"][0] == {
        "id": "holdfast.E998",
        "severity": "error",
        "title": "It Is Broken",
        "evidence": "seen",
        "leads_to": "Harm.",
        "repair": "Mend it.",
        "link": "docs/reference/findings.md#holdfaste998",
        "data": {"about": "x", "at": "/x"},
    }


def test_watch_tells_what_appears_and_what_is_mended() -> None:
    first = Report(findings=[WARNING.seen("3 clients", about="a")])
    second = Report(findings=[WARNING.seen("4 clients", about="a"), ERROR.seen("new")])
    assert [line[:22] for line in command.changes(first, second)] == ["APPEARED holdfast.E998"]
    assert [line[:22] for line in command.changes(second, first)] == ["MENDED   holdfast.E998"]
    other = replace(first, findings=[WARNING.seen("3 clients", about="b")])
    assert len(list(command.changes(first, other))) == 2


def test_passwords_are_taken_out_of_everything() -> None:
    found = ERROR.seen("at redis://:pa55word@h", repair="with pa55word", url=["pa55word"])
    shown = examining._without(["pa55word"], found)
    assert "pa55word" not in repr(shown)
    assert shown.evidence == "at redis://:***@h"


def test_example_of_an_address_in_a_repair_stays_readable() -> None:
    probes()
    asked = REGISTRY["holdfast.E317"]
    assert "redis://:password@host" in examining._without(["password"], asked.seen("")).repair
    other = asked.seen("", repair="Write redis://:pa55word@here:6379/0")
    assert "pa55word" not in examining._without([], other).repair


def test_password_of_an_address_is_taken_out_of_errors_that_nobody_knows() -> None:
    said = "ValueError: 'redis://jobs:pa55@word@h:1/0' and amqp://:pa55@h//, not http://h:80/a"
    shown = examining._without([], ERROR.seen(said)).evidence
    assert shown == "ValueError: 'redis://jobs:***@h:1/0' and amqp://:***@h//, not http://h:80/a"


@pytest.mark.parametrize(
    ("environment", "files", "container"),
    [
        ({}, {}, ""),
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, {}, "kubernetes"),
        ({}, {".dockerenv": ""}, "docker"),
        ({}, {"run/.containerenv": ""}, "podman"),
        ({}, {"proc/1/cgroup": "0::/kubepods/besteffort/pod1"}, "a container"),
        ({}, {"proc/1/cgroup": "0::/init.scope"}, ""),
        ({"DOCTOR_IN_CONTAINER": "no"}, {".dockerenv": ""}, ""),
        ({"DOCTOR_IN_CONTAINER": "yes"}, {}, "a container"),
    ],
)
def test_container_is_known_by_its_signs(
    tmp_path: Path, environment: dict[str, str], files: dict[str, str], container: str
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    found = Surroundings.read(environment=environment, root=tmp_path)
    assert (found.container, bool(found.sign)) == (container, bool(container))


def test_every_finding_of_a_probe_has_a_test_that_makes_it() -> None:
    probes()
    folders = (Path(ROOT, "tests", name) for name in ("doctor", "brokers"))
    tests = "\n".join(file.read_text() for folder in folders for file in folder.rglob("*.py"))
    own = {id for id in REGISTRY if int(id[-3:]) >= 200} - HERE
    assert {id for id in own if f'"{id[len("holdfast.") :]}"' not in tests} == set()


# A probe that raises and one that hangs are made here.
HERE = {examining.PROBE_FAILED.id, examining.PROBE_LATE.id}


def test_django_is_not_set_up_again_in_a_web_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would set up the logging again, under those who log."""
    asked: list[None] = []
    monkeypatch.setattr("django.setup", lambda: asked.append(None))
    assert (starting.set_up(), asked) == ([], [])


def test_guide_names_findings_that_there_are() -> None:
    probes()
    guide = Path(ROOT, "docs", "guides", "doctor.md").read_text()
    named = set(re.findall(r"\b[EWI]\d{3}\b", guide))
    assert named
    assert {f"holdfast.{id}" for id in named} <= set(REGISTRY)


@pytest.mark.parametrize(
    "routes",
    [
        {"shop.*": {"queue": "a"}, "mail.*": "b"},
        [{"shop.*": {"queue": "a"}}, "shop.routing.decide", {"mail.*": "b"}],
        ([("shop.*", {"queue": "a"}), ("mail.*", "b")],),
    ],
)
def test_queues_of_routes_are_seen_in_every_form_that_celery_takes(routes: Any) -> None:
    assert set(routed_to(routes)) == {"a", "b"}
    assert list(routed_to(None)) == []
