"""The description of the JSON API (OpenAPI 3.1), made of the pages' dataclasses and the actions' forms."""

from __future__ import annotations

import re
from typing import Any, get_type_hints

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse

from holdfast import __version__
from holdfast.console import answers
from holdfast.console.access import VIEW, role
from holdfast.console.pages import ACTIONS, PAGES, Action, Page
from holdfast.console.schemas import first_line, of_field, of_type

_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["status", "message"],
            "properties": {
                "status": {"type": "integer"},
                "message": {"type": "string", "description": "What is wrong and what to do."},
                "fields": {
                    "type": "object",
                    "additionalProperties": {"type": "array", "items": {"type": "string"}},
                },
            },
        }
    },
}


def view(request: HttpRequest) -> HttpResponse:
    """Answer with the description, to whoever may look."""
    if role(request) < VIEW:
        return answers.secured(answers.denied(request, VIEW, json=True))
    return answers.secured(JsonResponse(document(reverse("holdfast:overview"))))


def document(root: str) -> dict[str, Any]:
    """Return the description of the API below `root`."""
    schemas: dict[str, Any] = {"Error": _ERROR}
    paths: dict[str, Any] = {}
    for page in PAGES.values():
        paths.setdefault(_path(page.route), {})["get"] = _page(page, schemas)
    for action in ACTIONS.values():
        paths.setdefault(_path(action.route), {})["post"] = _action(action)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Holdfast console",
            "version": __version__,
            "description": "Each page of the console as JSON, and each of its actions. Signed in as in the browser; "
            "what changes something wants the header X-CSRFToken. Moments are in UTC, lengths of time in seconds.",
        },
        "servers": [{"url": f"{root}api"}],
        "paths": paths,
        "components": {"schemas": schemas},
    }


def _path(route: str) -> str:
    return "/" + re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", route)


def _parameters(what: Page | Action) -> list[dict[str, Any]]:
    kinds = {"int": {"type": "integer"}, "uuid": {"type": "string", "format": "uuid"}}
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": kinds.get(kind, {"type": "string"}),
        }
        for kind, name in re.findall(r"<(?:(\w+):)?(\w+)>", what.route)
    ]


def _page(page: Page, schemas: dict[str, Any]) -> dict[str, Any]:
    returned = get_type_hints(page.function).get("return", Any)
    asked = page.query().fields.items() if page.query else ()
    return {
        "operationId": page.name,
        "summary": str(page.title),
        "description": first_line(page.function),
        "parameters": [
            *_parameters(page),
            *(
                {
                    "name": name,
                    "in": "query",
                    "required": field.required,
                    "description": str(field.help_text),
                    "schema": of_field(field),
                }
                for name, field in asked
            ),
        ],
        "responses": _responses(of_type(returned, schemas), {"400"} if page.query else set()),
        "x-needs": page.needs.permission,
    }


def _action(action: Action) -> dict[str, Any]:
    made: dict[str, Any] = {
        "operationId": action.name,
        "summary": str(action.label),
        "description": str(action.explains) or first_line(action.function),
        "parameters": _parameters(action),
        "responses": _responses(
            {
                "type": "object",
                "required": ["message"],
                "properties": {"message": {"type": "string"}},
            },
            {"409", "422"},
        ),
        "x-needs": action.needs.permission,
    }
    if action.form is not None:
        asked = action.form().fields
        schema = {
            "type": "object",
            "required": [name for name, field in asked.items() if field.required],
            "properties": {
                name: {**of_field(field), "description": str(field.help_text or field.label or "")}
                for name, field in asked.items()
            },
        }
        made["requestBody"] = {
            "required": bool(schema["required"]),
            "content": {"application/json": {"schema": schema}},
        }
    return made


def _responses(schema: dict[str, Any], more: set[str]) -> dict[str, Any]:
    error = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    told = {
        "400": "What was asked for is wrong.",
        "401": "Nobody is signed in.",
        "403": "The permission is missing, or the console is read-only.",
        "404": "There is no such thing, or no longer.",
        "409": "Not done; the message says why.",
        "422": "A field is wrong.",
    }
    return {
        "200": {"description": "Done.", "content": {"application/json": {"schema": schema}}},
        **{
            status: {"description": told[status], "content": error}
            for status in sorted({"401", "403", "404"} | more)
        },
    }
