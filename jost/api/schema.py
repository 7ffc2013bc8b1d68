"""The OpenAPI schema: what all operations have in common is said here, the rest where they are."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from drf_spectacular.authentication import SessionScheme, TokenScheme
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ComponentRegistry

from .rates import ScopedRate, scope_of
from .refusals import RESPONSES, SCHEMAS

SAFE = ("GET", "HEAD", "OPTIONS")
PERIODS = {"s": "second", "m": "minute", "h": "hour", "d": "day"}


class Schema(AutoSchema):
    """Adds to every operation its tag, which is the app, how often it may be called, and how it refuses."""

    def get_tags(self) -> list[str]:
        return [type(self.view).__module__.split(".")[1]]

    def get_operation(
        self, path: str, path_regex: str, path_prefix: str, method: str, registry: ComponentRegistry
    ) -> dict[str, Any] | None:
        operation = super().get_operation(path, path_regex, path_prefix, method, registry)
        if operation is None:
            return None
        responses = operation["responses"]
        for status in _refusals(operation, method=method.upper()):
            name, _ = RESPONSES[status]
            responses.setdefault(status, {"$ref": f"#/components/responses/{name}"})
        operation["responses"] = dict(sorted(responses.items()))
        said = [operation.get("description", ""), _rate(self.view)]
        operation["description"] = " ".join(filter(None, said)) or f"{operation['summary']}."
        return operation


class SignedInScheme(SessionScheme):  # type: ignore[no-untyped-call]  # registers itself, untyped
    """A session, which needs its CSRF token to change anything."""

    target_class = "rest_framework.authentication.SessionAuthentication"
    name = ["session", "csrfToken"]  # type: ignore[assignment]  # what names several schemes
    priority = 1

    def get_security_requirement(self, auto_schema: AutoSchema) -> dict[str, list[Any]]:
        names = self.name[:1] if auto_schema.method in SAFE else self.name
        return {name: [] for name in names}

    def get_security_definition(self, _auto_schema: AutoSchema) -> Any:
        return [
            {
                "type": "apiKey",
                "in": "cookie",
                "name": settings.SESSION_COOKIE_NAME,
                "description": "Of who has signed in on the pages.",
            },
            {
                "type": "apiKey",
                "in": "header",
                "name": "X-CSRFToken",
                "description": f"What the cookie {settings.CSRF_COOKIE_NAME} says: a session changes "
                "nothing without it. A token needs none.",
            },
        ]


class KeyScheme(TokenScheme):  # type: ignore[no-untyped-call]  # registers itself, untyped
    """A token, as `/api/token/` gives it."""

    target_class = "rest_framework.authentication.TokenAuthentication"
    name = "token"
    priority = 1

    def get_security_definition(self, _auto_schema: AutoSchema) -> dict[str, Any]:
        return {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": "The word Token, a space, and what `POST /api/token/` gives.",
        }


def add_refusals(result: dict[str, Any], **_: object) -> dict[str, Any]:
    """Add what operations refer to; a hook that the settings name."""
    components = result["components"]
    components["responses"] = dict(RESPONSES.values())
    components["schemas"] |= SCHEMAS
    return result


def _refusals(operation: dict[str, Any], *, method: str) -> set[str]:
    """The statuses of the refusals that an operation may answer besides those it names itself."""
    parameters = operation.get("parameters", [])
    places = {parameter["in"] for parameter in parameters}
    found = {"401", "406", "429"}
    if "requestBody" in operation:
        found |= {"400", "415"}
    if places & {"query", "header"}:
        found.add("400")
    if "path" in places:
        found.add("404")
    if method not in SAFE:
        found.add("403")
    return found


def _rate(view: Any) -> str:
    scope = scope_of(view) or _scope_of_class(view)
    rate = ScopedRate.THROTTLE_RATES.get(scope) if scope else None
    if not rate:
        return ""
    number, period = rate.split("/")
    return f"At most {number} times a {PERIODS[period[0]]}: its rate is `{scope}`."


def _scope_of_class(view: Any) -> str | None:
    """The scope of a throttle of the view's own; all calls count for those of everybody."""
    scopes = (getattr(throttle, "scope", None) for throttle in view.get_throttles())
    return next((scope for scope in scopes if scope not in {None, "anon", "user"}), None)
