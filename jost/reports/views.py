"""Pages of reports: the same one made in the request and by jobs, what becomes of it, and its files."""

from __future__ import annotations

from time import perf_counter
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from jost.api.owners import owner_of, visible_to

from . import figures, making
from .forms import PeriodForm
from .links import LINK_LASTS, LinkExpiredError, file_by, link_token
from .models import Report, ReportFile, ReportLine
from .periods import last_year

PER_PAGE = 20
# What htmx takes as the end of its asking.
STOP_POLLING = 286


@never_cache
def index(request: HttpRequest) -> HttpResponse:
    """List one's reports; make one here and now, or have it made."""
    begun = perf_counter()
    year = last_year(today=timezone.localdate())
    first = {"since": year.since, "until": year.until}
    form = PeriodForm(request.POST or None, initial=first)
    context: dict[str, Any] = {"form": form}
    if request.method == "POST" and form.is_valid():
        if request.POST.get("how") != "here":
            report = making.ask(form.period(), owner=owner_of(request))
            milliseconds = (perf_counter() - begun) * 1000
            messages.success(request, f"Accepted in {milliseconds:.0f} ms; jobs make it.")
            return redirect(report)
        context |= _totals(figures.all_lines(form.period()))
        context["seconds"] = perf_counter() - begun
    page = Paginator(_mine(request), PER_PAGE).get_page(request.GET.get("page"))
    context |= {"page": page, "live": any(report.is_under_way for report in page)}
    is_part = bool(getattr(request, "htmx", False))
    template = "reports/rows.html" if is_part else "reports/index.html"
    return render(request, template, context, status=422 if form.errors else 200)


@never_cache
@require_safe
def detail(request: HttpRequest, number: int) -> HttpResponse:
    """Show a report; the part with its progress asks for itself until it is over."""
    report = get_object_or_404(_mine(request), pk=number)
    is_part = bool(getattr(request, "htmx", False))
    context: dict[str, Any] = {"report": report, "minutes": int(LINK_LASTS.total_seconds() // 60)}
    if report.state == Report.State.SUCCEEDED:
        some = report.files.defer("content")
        context["links"] = [(file.kind.upper(), link_token(file)) for file in some]
        context |= _totals(list(report.lines.all()))
    answer = render(request, "reports/progress.html" if is_part else "reports/detail.html", context)
    if is_part and not report.is_under_way:
        answer.status_code = STOP_POLLING
    return answer


@require_safe
def download(request: HttpRequest, token: str) -> HttpResponse:
    """Give a file to the owner of its report, as long as the link is good."""
    try:
        return answer_with(file_by(token, user=request.user))
    except LinkExpiredError as reason:
        return render(request, "reports/expired.html", {"reason": reason}, status=410)
    except ReportFile.DoesNotExist:
        raise Http404 from None


def answer_with(file: ReportFile) -> HttpResponse:
    """The file, to be kept by whoever asked and by no cache on the way."""
    headers = {
        "Content-Disposition": f'attachment; filename="{file.name}"',
        "Cache-Control": "private, no-store",
    }
    return HttpResponse(bytes(file.content), content_type=file.content_type, headers=headers)


def _mine(request: HttpRequest) -> QuerySet[Report]:
    return visible_to(request.user, Report.objects.all())


def _totals(lines: list[ReportLine]) -> dict[str, Any]:
    return {
        "total": figures.in_all(lines),
        "tables": [("Month", figures.by_month(lines)), ("Region", figures.by_region(lines))],
    }
