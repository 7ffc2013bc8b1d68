"""What the doctor has found last, and a button to ask it again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from holdfast.console import attention
from holdfast.console.access import OPERATE
from holdfast.console.pages import Done, action, actor, page
from holdfast.doctor import examine
from holdfast.doctor.findings import AREAS, Severity, area_of
from holdfast.ledger import examinations
from holdfast.ledger.database import dialect

STALE = timedelta(days=1)
_SEVERITIES = {
    Severity.ERROR.value: _("Errors"),
    Severity.WARNING.value: _("Warnings"),
    Severity.INFO.value: _("Remarks"),
}


class DoctorQuery(forms.Form):
    """What is shown of the findings."""

    severity = forms.ChoiceField(required=False, choices=[("", _("All")), *_SEVERITIES.items()])
    area = forms.ChoiceField(
        required=False, choices=[("", _("All areas")), *((name, name) for name in AREAS)]
    )


class ExamineForm(forms.Form):
    """How it is asked."""

    deploy = forms.BooleanField(required=False, label=_("Go through the checklist of a deployment"))


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingRow:
    """One thing that is wrong."""

    id: str
    severity: str
    area: str
    title: str
    evidence: str
    leads_to: str
    repair: str
    link: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SkippedRow:
    """Probes that could not look, for one reason."""

    because: str
    probes: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorPage:
    """The last examination: what was found, by severity, and what could not be looked at."""

    examined_at: datetime | None
    examined_by: str
    stale: bool
    """Whether it is older than a day, or there is none."""
    seconds: float | None
    advice: str
    """One sentence: what to do first."""
    errors: int
    warnings: int
    remarks: int
    findings: list[FindingRow]
    """Those that were asked for, the worst first."""
    skipped: list[SkippedRow]
    severity: str
    area: str

    @property
    def title(self) -> str:
        """The title says trouble."""
        if self.errors:
            return ngettext("Doctor: %d error", "Doctor: %d errors", self.errors) % self.errors
        return _now("Doctor")

    @property
    def tabs(self) -> list[tuple[str, Any, int]]:
        """What can be chosen by severity: its value, its label, how many there are."""
        counts = (self.errors, self.warnings, self.remarks)
        each = [
            (value, label, count)
            for (value, label), count in zip(_SEVERITIES.items(), counts, strict=True)
        ]
        return [("", _("All"), sum(counts)), *each]

    @property
    def areas(self) -> list[str]:
        """The areas to choose from."""
        return list(AREAS)


@page(
    "doctor/",
    name="doctor",
    title=_("Doctor"),
    template="holdfast/doctor.html",
    query=DoctorQuery,
)
def doctor(_request: HttpRequest, query: Mapping[str, Any]) -> DoctorPage:
    """Show what the last examination has found."""
    last = examinations.last()
    report = last.report if last else {}
    counts = report.get("counts", {})
    return DoctorPage(
        examined_at=last.at if last else None,
        examined_by=last.by if last else "",
        stale=last is None or dialect().now() - last.at > STALE,
        seconds=report.get("seconds"),
        advice=report.get("advice", ""),
        errors=counts.get("error", 0),
        warnings=counts.get("warning", 0),
        remarks=counts.get("info", 0),
        findings=[row for row in _rows(report) if _fits(row, query)],
        skipped=_skipped(report),
        severity=query["severity"],
        area=query["area"],
    )


@action(
    "doctor/examine/",
    name="doctor-examine",
    label=_("Examine now"),
    needs=OPERATE,
    form=ExamineForm,
    explains=_(
        "Settings, broker, database, workers and jobs are looked at; nothing is changed. It takes some seconds."
    ),
)
def examine_now(request: HttpRequest, asked: Mapping[str, Any]) -> Done:
    """Ask the doctor, and keep what it has found."""
    report = examine(deploy=asked["deploy"]).as_dict()
    examinations.keep(report, actor=actor(request))
    return Done(report["advice"], to=reverse("holdfast:doctor"), data={"counts": report["counts"]})


def errors_of_the_doctor(_seen: attention.Seen) -> Iterator[attention.Trouble]:
    """Tell of the errors that the last examination has found, for the list of what needs attention; reads one row."""
    last = examinations.last_counts()
    if last is not None and last.errors:
        yield attention.Trouble(
            kind="doctor",
            severity=attention.Severity.WARNING,
            message=_("The doctor has found errors when it was asked last: %(count)d"),
            values={"count": last.errors},
            route="doctor",
            query={"severity": Severity.ERROR.value},
        )


attention.register(errors_of_the_doctor)


def _rows(report: Mapping[str, Any]) -> list[FindingRow]:
    return [
        FindingRow(
            area=area_of(found["id"]),
            **{name: found[name] for name in FindingRow.__slots__ if name != "area"},
        )
        for found in report.get("findings", ())
    ]


def _fits(row: FindingRow, query: Mapping[str, Any]) -> bool:
    return query["severity"] in {"", row.severity} and query["area"] in {"", row.area}


def _skipped(report: Mapping[str, Any]) -> list[SkippedRow]:
    reasons: dict[str, list[str]] = {}
    for one in report.get("skipped", ()):
        reasons.setdefault(one["because"], []).append(one["probe"])
    return [SkippedRow(because=because, probes=names) for because, names in reasons.items()]
