"""The words of the command, and how it answers; the same for `python -m holdfast.doctor` and `manage.py holdfast`."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from holdfast.doctor import fix_words
from holdfast.doctor.examining import examine
from holdfast.doctor.findings import Finding, Severity
from holdfast.doctor.report import HEALTHY, SICK, Report
from holdfast.doctor.triage import TREES, triage

Say = Callable[[str], None]
_PAINTS = {Severity.ERROR: "31;1", Severity.WARNING: "33", Severity.INFO: "36"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take what is looked at, and how it is told."""
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="ID|AREA",
        help="look at one finding (holdfast.E312) or area (broker); may be said several times",
    )
    parser.add_argument(
        "--deploy", action="store_true", help="go through the checklist of a deployment as well"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON value on stdout")
    parser.add_argument(
        "--fail-on",
        choices=[severity.value for severity in Severity],
        default=Severity.ERROR.value,
        help="exit with 2 for findings from this severity on; errors always exit with 1",
    )
    parser.add_argument(
        "--watch",
        type=float,
        metavar="SECONDS",
        help="look again and again, and print what appears and what is mended",
    )
    parser.add_argument(
        "--triage",
        nargs="?",
        const="failures",
        choices=list(TREES),
        help="walk a decision tree to one sentence: which of the ways to fail it is, or why connections drop",
    )
    parser.add_argument(
        "--timeout", type=float, metavar="SECONDS", help="how long each probe may take"
    )
    parser.add_argument(
        "--app", default="", metavar="MODULE", help="the Celery app, as for celery -A"
    )
    fix_words.add_arguments(parser)


def main(arguments: Sequence[str], *, failure: BaseException | None = None) -> int:
    """Do what the words say; return the exit status. A `failure` is what has ended the start of Django already."""
    parser = argparse.ArgumentParser(
        prog="python -m holdfast.doctor",
        description="Say what is wrong with the project and its services, and how to mend it.",
    )
    add_arguments(parser)
    parser.add_argument("--settings", help="the settings, in place of DJANGO_SETTINGS_MODULE")
    # Django's own, which manage.py has taken or which change nothing here.
    parser.add_argument("--pythonpath", help=argparse.SUPPRESS)
    parser.add_argument("-v", "--verbosity", help=argparse.SUPPRESS)
    for flag in ("--no-color", "--force-color", "--traceback", "--skip-checks"):
        parser.add_argument(flag, action="store_true", help=argparse.SUPPRESS)
    options = vars(parser.parse_args(arguments))
    if options["settings"]:
        os.environ["DJANGO_SETTINGS_MODULE"] = options["settings"]
    if options["pythonpath"]:
        sys.path.insert(0, options["pythonpath"])
    out = sys.stdout
    wanted = out.isatty() and not (options["no_color"] or os.environ.get("NO_COLOR"))
    return answer(
        options | {"failure": failure},
        say=lambda line: print(line, file=out, flush=True),
        remark=lambda line: print(line, file=sys.stderr),
        colourful=wanted or options["force_color"],
    )


def answer(options: dict[str, Any], *, say: Say, remark: Say, colourful: bool = False) -> int:
    """Examine and print; return the exit status."""
    paint = _paint if colourful else None
    try:
        with _Aside():
            # What has failed to load is not loaded again by this process.
            if options["watch"] and options.get("failure") is None:
                return _watch(options, say, paint)
            report = _examine(options)
        if options["fix"]:
            return fix_words.mend(report, options, say=say)
    except ValueError as refused:
        remark(f"doctor: {refused}")
        return SICK
    if options["triage"]:
        found = triage(report, options["triage"])
        for line in [json.dumps(found.as_dict())] if options["json"] else found.lines():
            say(line)
        return SICK if found.sick else HEALTHY
    _tell(report, options, say, paint)
    return report.status(fail_on=Severity(options["fail_on"]))


def _examine(options: dict[str, Any]) -> Report:
    return examine(
        only=options["only"],
        deploy=options["deploy"],
        seconds=options["timeout"],
        app=options["app"],
        failure=options.get("failure"),
    )


def _tell(report: Report, options: dict[str, Any], say: Say, paint: Any) -> None:
    for line in [report.as_json()] if options["json"] else report.lines(paint=paint):
        say(line)


def _watch(options: dict[str, Any], say: Say, paint: Any) -> int:
    """Look again and again until somebody interrupts it; then the last look is what counts."""
    report = Report(findings=[])
    try:
        report = _examine(options)
        _tell(report, options, say, paint)
        while True:
            time.sleep(options["watch"])
            before, report = report, _examine(options)
            if options["json"]:
                say(report.as_json())
            else:
                for line in changes(before, report):
                    say(f"{time.strftime('%H:%M:%S')} {line}")
    except KeyboardInterrupt:
        return report.status(fail_on=Severity(options["fail_on"]))


def changes(before: Report, after: Report) -> Iterator[str]:
    """Yield what has appeared between two looks, and what is mended.

    What a finding says may change with each look; its id, and what its data say it is about, do not.
    """
    old, new = _by_subject(before), _by_subject(after)
    for subject, finding in new.items():
        if subject not in old:
            yield f"APPEARED {finding.id} {finding.title}: {finding.evidence} Repair: {finding.repair}"
    for subject, finding in old.items():
        if subject not in new:
            yield f"MENDED   {finding.id} {finding.title}"


def _by_subject(report: Report) -> dict[tuple[str, str], Finding]:
    return {(one.id, str(one.data.get("about", ""))): one for one in report.findings}


def _paint(severity: Severity, text: str) -> str:
    return f"\033[{_PAINTS[severity]}m{text}\033[0m"


class _Aside:
    """Let what the project prints while it is loaded go to stderr: stdout is the answer's alone."""

    def __enter__(self) -> None:
        self._before = sys.stdout
        sys.stdout = sys.stderr

    def __exit__(self, *_: object) -> None:
        sys.stdout = self._before
