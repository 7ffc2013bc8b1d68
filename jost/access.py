"""Who may use JOST, and from where its pages may load; runs in the web process."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils import translation
from django.utils.cache import patch_vary_headers
from django.utils.deprecation import MiddlewareMixin
from rest_framework.permissions import BasePermission

if TYPE_CHECKING:  # these import the permission classes that the settings name
    from rest_framework.request import Request
    from rest_framework.views import APIView

# Scripts and styles inside the page are those of the admin, Swagger UI and ReDoc; the worker is ReDoc's search.
CONTENT_SECURITY_POLICY = "; ".join(
    [
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data:",
        "font-src 'self' data:",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
    ]
)


class LoginMiddleware(LoginRequiredMiddleware):
    """Sends who is not signed in to the login page, where `JOST_LOGIN` asks for one."""

    def process_view(
        self,
        request: HttpRequest,
        view_func: Callable[..., HttpResponseBase],
        view_args: tuple[Any, ...],
        view_kwargs: dict[str, Any],
    ) -> HttpResponseBase | None:
        if not settings.JOST_LOGIN:
            return None
        return super().process_view(request, view_func, view_args, view_kwargs)


class SignedIn(BasePermission):
    """Lets only who is signed in use the API, where `JOST_LOGIN` asks for it."""

    def has_permission(self, request: Request, _view: APIView) -> bool:
        return not settings.JOST_LOGIN or request.user.is_authenticated


def console(_request: HttpRequest) -> str | None:
    """Let whoever sits at a developer's machine do everything in the console; elsewhere permissions decide."""
    return None if settings.JOST_LOGIN else "administer"


class ConsoleLanguageMiddleware(MiddlewareMixin):
    """Gives the console the language of the browser; JOST's own pages and API have one, English.

    Django's `LocaleMiddleware` would also translate what Django says on those pages, in the API's
    errors and in numbers, between texts that nobody has translated.
    """

    def process_view(self, request: HttpRequest, *_: Any) -> None:
        if _is_of_the_console(request):
            translation.activate(translation.get_language_from_request(request))

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        # The thread serves whoever comes next.
        translation.activate(settings.LANGUAGE_CODE)
        if _is_of_the_console(request):
            patch_vary_headers(response, ["Accept-Language"])
        return response


class OwnHostOnlyMiddleware(MiddlewareMixin):
    """Tells browsers to load nothing from another host, whatever a page says."""

    def process_response(self, _request: HttpRequest, response: HttpResponse) -> HttpResponse:
        response.headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
        return response


def _is_of_the_console(request: HttpRequest) -> bool:
    return request.resolver_match is not None and "holdfast" in request.resolver_match.app_names


class OneThreadMiddleware:
    """Innermost: has Django run its own in the thread of the view, not each in turns with the event loop.

    Under ASGI a request of JOST then changes threads six times, not sixteen.
    """

    sync_capable, async_capable = True, False

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)
