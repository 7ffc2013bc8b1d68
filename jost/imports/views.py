"""The pages of imports: upload and list, one import as it goes on, and what it refused."""

from __future__ import annotations

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from jost.api.owners import owner_of, visible_to

from . import report, services
from .forms import UploadForm
from .models import Import

PER_PAGE = 20
ERRORS_PER_PAGE = 100
# Of what was refused, so many are on the page of the import itself.
FIRST = 5
# What htmx takes as the end of its asking.
STOP_POLLING = 286


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def index(request: HttpRequest) -> HttpResponse:
    """List one's imports; take a file."""
    form = UploadForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        try:
            source = services.begin(form.cleaned_data["file"], owner=owner_of(request))
        except services.UploadError as reason:
            form.add_error("file", str(reason))
        else:
            return redirect(source)
    page = Paginator(_mine(request), PER_PAGE).get_page(request.GET.get("page"))
    live = any(source.is_under_way for source in page)
    is_part = bool(getattr(request, "htmx", False))
    template = "imports/rows.html" if is_part else "imports/index.html"
    status = 422 if request.method == "POST" else 200
    context = {"form": form, "page": page, "live": live}
    return render(request, template, context, status=status)


@require_safe
@never_cache
def detail(request: HttpRequest, number: int) -> HttpResponse:
    """Show an import; the part with its figures asks for itself until it is over."""
    source = get_object_or_404(_mine(request), pk=number)
    is_part = bool(getattr(request, "htmx", False))
    template = "imports/figures.html" if is_part else "imports/detail.html"
    answer = render(request, template, {"source": source, "errors": source.errors.all()[:FIRST]})
    if is_part and not source.is_under_way:
        answer.status_code = STOP_POLLING
    return answer


@require_safe
def errors(request: HttpRequest, number: int) -> HttpResponse:
    """Show what was refused, and why."""
    source = get_object_or_404(_mine(request), pk=number)
    page = Paginator(source.errors.all(), ERRORS_PER_PAGE).get_page(request.GET.get("page"))
    return render(request, "imports/errors.html", {"source": source, "page": page})


@require_safe
def errors_file(request: HttpRequest, number: int) -> HttpResponseBase:
    """The same as a file."""
    return report.answer(request, get_object_or_404(_mine(request), pk=number))


@require_POST
def cancel(request: HttpRequest, number: int) -> HttpResponse:
    source = get_object_or_404(_mine(request), pk=number)
    if not services.cancel(source.pk):
        messages.info(request, "This import had ended already: there was nothing to cancel.")
    return redirect(source)


@require_POST
def go_on(request: HttpRequest, number: int) -> HttpResponse:
    source = get_object_or_404(_mine(request), pk=number)
    try:
        if not services.go_on(source.pk):
            messages.info(request, "This import needs nobody to go on.")
    except services.CannotGoOnError as reason:
        messages.error(request, str(reason))
    return redirect(source)


def _mine(request: HttpRequest) -> QuerySet[Import]:
    return visible_to(request.user, Import.objects.all())
