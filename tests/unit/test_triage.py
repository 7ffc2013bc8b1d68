"""The trees of the triage: each end is reached by its findings, and what could not be asked is said."""

from __future__ import annotations

from dataclasses import replace

import pytest

from holdfast.doctor.examining import PROBE_FAILED
from holdfast.doctor.findings import REGISTRY, Finding
from holdfast.doctor.probing import probes
from holdfast.doctor.report import Report
from holdfast.doctor.triage import NO, NOT_KNOWN, TREES, YES, triage
from tests.docs import triage as page

EVERY = [
    (name, question.key, question.signs[0])
    for name, tree in TREES.items()
    for question in page.questions(tree)
]


def _report(*ids: str, asked: list[str] | None = None) -> Report:
    names = [probe.name for probe in probes()]
    found: list[Finding] = [REGISTRY[f"holdfast.{id}"].seen(f"seen {id}") for id in ids]
    return Report(findings=found, asked=names if asked is None else asked)


def test_page_has_the_trees_that_the_doctor_walks() -> None:
    stale = "docs/triage.md is stale: run python -m tests.docs.triage --write"
    assert page.page() == page.PAGE.read_text(), stale


def test_every_sign_is_a_finding() -> None:
    probes()
    signs = {sign for tree in TREES.values() for one in page.questions(tree) for sign in one.signs}
    assert {f"holdfast.{sign}" for sign in signs} <= set(REGISTRY)


@pytest.mark.parametrize(("name", "key", "sign"), EVERY)
def test_each_end_is_reached_by_its_finding(name: str, key: str, sign: str) -> None:
    found = triage(_report(sign), name)
    assert (found.path[-1].key, found.path[-1].answer) == (key, YES)
    assert {step.answer for step in found.path[:-1]} <= {NO}
    assert found.decided_by == f"holdfast.{sign}"
    assert found.sentence.startswith(f"It is {found.kind}, holdfast.{sign} (")
    assert found.sentence.count(". ") == 0
    assert found.sick


@pytest.mark.parametrize("name", TREES)
def test_health_ends_in_a_sentence_too(name: str) -> None:
    found = triage(_report(), name)
    assert (found.sick, found.decided_by) == (False, "")
    assert {step.answer for step in found.path} == {NO}
    assert "not known" not in found.sentence


def test_what_could_not_be_asked_is_said() -> None:
    found = triage(_report(asked=[]), "connection-drops")
    assert {step.answer for step in found.path} == {NOT_KNOWN}
    assert "(not known: address, access, server, client, reconnect, patience)" in found.sentence


def test_first_of_several_decides() -> None:
    found = triage(_report("W347", "E311", "W360"), "connection-drops")
    assert (found.decided_by, found.kind) == ("holdfast.E311", "service discovery")
    assert list(found.lines())[-1] == found.sentence
    assert found.as_dict()["path"][0]["because"] == [
        {"id": "holdfast.E311", "evidence": "seen E311"}
    ]


def test_question_whose_probe_has_failed_is_not_known() -> None:
    failed = PROBE_FAILED.seen("it raised", probe="workers_wait_for_the_broker")
    found = triage(replace(_report(), findings=[failed]), "connection-drops")
    assert {step.key for step in found.path if step.answer == NOT_KNOWN} == {"patience"}
