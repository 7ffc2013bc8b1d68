"""What goes back to the browser or the script: pages, forms, refusals; each with the headers that lock it in."""

from __future__ import annotations

from typing import Any, TypeVar
from urllib.parse import urlsplit

from django import forms
from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.core import signing
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseRedirect,
    JsonResponse,
)
from django.shortcuts import resolve_url
from django.template.backends.django import DjangoTemplates
from django.templatetags.static import static
from django.urls import NoReverseMatch, reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _

from holdfast.console import chrome
from holdfast.console.access import NAMES, Role, full_role
from holdfast.console.engine import engine

Answer = TypeVar("Answer", bound=HttpResponseBase)
# What the last action did, told by the next page; signed, for it comes from the browser.
SAID = "holdfast_said"
SAID_SECONDS = 60


def render(
    request: HttpRequest, template: str, context: dict[str, Any], *, status: int = 200
) -> HttpResponse:
    """Return a page; what the last action did is told once."""
    said = _said(request)
    made = {**context, "chrome": chrome.of(request), "said": said}
    templates: DjangoTemplates = engine()
    answer = HttpResponse(templates.get_template(template).render(made, request), status=status)
    if said is not None:
        answer.delete_cookie(SAID, path=reverse("holdfast:overview"))
    return answer


def form(
    request: HttpRequest, action: Any, form: forms.Form | None, *, status: int = 200
) -> HttpResponse:
    """Return the page of an action: what it does, its form, one button."""
    context = {"action": action, "form": form, "title": action.label, "back": _back(request)}
    return render(request, "holdfast/action.html", context, status=status)


def redirect(request: HttpRequest, message: str, *, to: str | None) -> HttpResponse:
    """Go on to `to`, or back to where the user came from, and tell the message there."""
    answer = HttpResponseRedirect(to or _back(request))
    answer.status_code = 303
    answer.set_cookie(
        SAID,
        signing.dumps(message, salt=SAID),
        max_age=SAID_SECONDS,
        path=reverse("holdfast:overview"),
        secure=request.is_secure(),
        httponly=True,
        samesite="Lax",
    )
    return answer


def invalid(request: HttpRequest, form: forms.Form, *, status: int, json: bool) -> HttpResponse:
    """Say which fields are wrong."""
    errors = {field: [str(each) for each in said] for field, said in form.errors.items()}
    told = "; ".join(
        " ".join(said) if field == "__all__" else f"{field}: {' '.join(said)}"
        for field, said in errors.items()
    )
    if json:
        return _json(status, told, fields=errors)
    return problem(request, status, told, json=False)


def problem(request: HttpRequest, status: int, message: str, *, json: bool) -> HttpResponse:
    """Say what is wrong."""
    if json:
        return _json(status, message)
    titles = {400: _("That cannot be asked"), 404: _("Not here"), 409: _("Not done")}
    context = {
        "title": titles.get(status, _("Refused")),
        "message": message,
        "back": _back(request),
    }
    return render(request, "holdfast/problem.html", context, status=status)


def wrong_method(request: HttpRequest, allowed: str, *, json: bool) -> HttpResponse:
    """Say which method is the right one."""
    answer = problem(request, 405, _("Ask with %(method)s.") % {"method": allowed}, json=json)
    answer["Allow"] = allowed
    return answer


def denied(request: HttpRequest, needs: Role, *, json: bool) -> HttpResponse:
    """Turn somebody away: to the login, or with the permission that is missing."""
    if full_role(request) >= needs:
        message = _("The console is read-only: HOLDFAST['console_read_only'] is set.")
    else:
        message = _(
            "This needs the permission to %(what)s: %(permission)s. Whoever administers the users can give it."
        ) % {"what": NAMES[needs], "permission": needs.permission}
    user = getattr(request, "user", None)
    anonymous = user is None or not user.is_authenticated
    if json:
        return _json(401 if anonymous and not full_role(request) else 403, message)
    if anonymous and not full_role(request) and (login := _login()):
        return redirect_to_login(request.get_full_path(), login)
    context = {"title": _("No entry"), "message": message}
    html = engine().get_template("holdfast/denied.html").render(context, request)
    return HttpResponse(html, status=403)


def secured(answer: Answer) -> Answer:
    """Let a page load what is the console's own and nothing else, and be kept nowhere."""
    answer.headers["Content-Security-Policy"] = _policy()
    answer.headers["Referrer-Policy"] = "same-origin"
    answer.headers["X-Content-Type-Options"] = "nosniff"
    answer.headers["X-Frame-Options"] = "DENY"
    answer.headers.setdefault("Cache-Control", "no-store")
    return answer


def _policy() -> str:
    # Static files may lie on a host of their own.
    parts = urlsplit(static("holdfast/js/console.js"))
    own = f"'self' {parts.scheme or 'https'}://{parts.netloc}" if parts.netloc else "'self'"
    return (
        f"default-src 'none'; script-src {own}; style-src {own}; img-src {own} data:; font-src {own}; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )


def _json(status: int, message: str, **more: Any) -> JsonResponse:
    return JsonResponse({"error": {"status": status, "message": message, **more}}, status=status)


def _login() -> str | None:
    try:
        return resolve_url(settings.LOGIN_URL)
    except NoReverseMatch:
        return None


def _back(request: HttpRequest) -> str:
    """Return the page of ours that the user came from, else the overview."""
    overview: str = reverse("holdfast:overview")
    came = request.POST.get("next") or request.headers.get("Referer", "")
    safe = url_has_allowed_host_and_scheme(
        came, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    same = urlsplit(came)._replace(scheme="", netloc="").geturl()
    return (
        same if safe and same.startswith(overview) and same != request.get_full_path() else overview
    )


def _said(request: HttpRequest) -> str | None:
    try:
        return str(signing.loads(request.COOKIES.get(SAID, ""), salt=SAID, max_age=SAID_SECONDS))
    except signing.BadSignature:
        return None
