"""Rows of files and reports, whose effects no gateway sees: counted where they end up, in JOST's own tables.

Each is judged again and again until it has been over for a while, then once and for all: the sums are kept, and what
is old may be deleted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db.models import Count, Sum
from django.utils import timezone

from jost.demo.counts import LOST_AFTER, Owed, Promise
from jost.demo.makers import FILE, ROWS
from jost.imports.models import Contact, Import, RowError
from jost.reports.models import Report, ReportLine, Sale

# Whoever is killed and thought alive would write within this time.
SETTLED_AFTER = timedelta(minutes=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What has been judged for good: everything up to a number."""

    until: int = 0
    done: int = 0
    happened: int = 0
    twice: int = 0


class _Verdict(NamedTuple):
    """Of one import or report: what it owes, and what has come of it."""

    owed: int
    happened: int
    twice: int
    began_at: datetime
    ended_at: datetime | None


class Rows:
    """Counts what no gateway sees, all of it in each look."""

    def __init__(self, kept: dict[str, Any]) -> None:
        self._settled = {name: Settled(**kept.get(name, {})) for name in _VERDICTS}

    def promises(self) -> list[Promise]:
        """Hold what was asked for against what is in the tables."""
        return [self._promise(name) for name in _VERDICTS]

    def to_dict(self) -> dict[str, Any]:
        """What `kept` takes later."""
        return {name: asdict(settled) for name, settled in self._settled.items()}

    def _promise(self, name: str) -> Promise:
        settled = self._settled[name]
        before = timezone.now() - SETTLED_AFTER
        live: list[_Verdict] = []
        for number, verdict in _VERDICTS[name](settled.until):
            if not live and verdict.ended_at is not None and verdict.ended_at < before:
                settled = replace(
                    settled,
                    until=number,
                    done=settled.done + verdict.owed,
                    happened=settled.happened + verdict.happened,
                    twice=settled.twice + verdict.twice,
                )
            else:
                live.append(verdict)
        self._settled[name] = settled
        return Promise(
            name=name,
            owed=_owed(live, done=settled.done),
            happened=settled.happened + sum(each.happened for each in live),
            twice=settled.twice + sum(each.twice for each in live),
        )


def _owed(live: list[_Verdict], *, done: int) -> Owed:
    over = [each for each in live if each.ended_at is not None]
    under_way = [each for each in live if each.ended_at is None]
    late = timezone.now() - LOST_AFTER
    return Owed(
        # What is in of those under way is done, too.
        done=done + sum(each.owed for each in over) + sum(each.happened for each in under_way),
        open=sum(each.owed - each.happened for each in under_way),
        late=sum(each.owed - each.happened for each in under_way if each.began_at < late),
        since=min((each.began_at for each in under_way), default=None),
    )


def _files(after: int) -> Iterable[tuple[int, _Verdict]]:
    """Rows by their own content: each of a file's is another one, so one that is there twice came twice."""
    # The state first: rows that come in meanwhile are no loss.
    for source in list(Import.objects.filter(pk__gt=after, name=FILE).order_by("pk")):
        contacts = Contact.objects.filter(source=source).aggregate(
            all=Count("pk"), one=Count("email", distinct=True)
        )
        errors = RowError.objects.filter(source=source).aggregate(
            all=Count("pk"), one=Count("text", distinct=True)
        )
        happened = contacts["one"] + errors["one"]
        stopped = source.state == Import.State.CANCELLED
        yield (
            source.pk,
            _Verdict(
                # What somebody has stopped owes no more than it has.
                owed=happened if stopped else ROWS,
                happened=happened,
                twice=contacts["all"] + errors["all"] - happened,
                began_at=source.created_at,
                ended_at=source.ended_at if stopped or source.state == Import.State.DONE else None,
            ),
        )


def _reports(after: int) -> Iterable[tuple[int, _Verdict]]:
    """A report is made once both files are there; it is made twice if it tells of more sales than there were."""
    for report in list(Report.objects.filter(pk__gt=after).order_by("pk")):
        is_over = report.state == Report.State.SUCCEEDED
        told = ReportLine.objects.filter(report=report).aggregate(n=Sum("sales"))["n"] or 0
        # Sales may have been added since, and none goes.
        sold = Sale.objects.filter(sold_on__range=(report.since, report.until)).count()
        yield (
            report.pk,
            _Verdict(
                owed=1,
                happened=int(is_over and report.files.count() == 2),
                twice=int(told > sold),
                began_at=report.asked_at,
                ended_at=report.finished_at if is_over else None,
            ),
        )


_VERDICTS: dict[str, Callable[[int], Iterable[tuple[int, _Verdict]]]] = {
    "Rows of files": _files,
    "Reports": _reports,
}
