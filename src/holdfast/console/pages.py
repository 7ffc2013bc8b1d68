"""How a page and an action are made: one function each, answered as HTML and as JSON.

    @page("queues/", name="queues", title=_("Queues"), template="holdfast/queues.html")
    def queues(request: HttpRequest) -> QueuesPage: ...

    @action("queues/<path:name>/pause/", name="queue-pause", label=_("Pause"), form=PauseForm)
    def pause(request: HttpRequest, asked: Mapping[str, Any], name: str) -> Done: ...

The page stands at `queues/` and, as JSON, at `api/queues/`. An action takes POST at both; at its own address GET shows
its form. Who asks is let in, or not, before the function is called.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django import forms
from django.core.exceptions import BadRequest
from django.db import OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_protect

from holdfast.console import answers
from holdfast.console.access import OPERATE, VIEW, Role, actor, role
from holdfast.console.encode import as_json
from holdfast.exceptions import HoldfastError

__all__ = ["Action", "Done", "Page", "Refused", "action", "actor", "page"]

View = Callable[..., HttpResponse]


class Refused(HoldfastError):
    """The action is not done; the text says why, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What is shown at one address."""

    route: str
    name: str
    title: Any
    template: str
    needs: Role
    query: type[forms.Form] | None
    function: Callable[..., Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """What can be done at one address."""

    route: str
    name: str
    label: Any
    explains: Any
    needs: Role
    form: type[forms.Form] | None
    initial: Callable[..., dict[str, Any]] | None
    function: Callable[..., Done]


@dataclass(frozen=True, slots=True)
class Done:
    """What an action has done, in a sentence, and where to look next; None is where the user came from."""

    message: Any
    to: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    """What the JSON answer has beside the message."""


PAGES: dict[str, Page] = {}
ACTIONS: dict[str, Action] = {}


def page(
    route: str,
    *,
    name: str,
    title: Any,
    template: str,
    needs: Role = VIEW,
    query: type[forms.Form] | None = None,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make a page of a function that takes the request, `query`'s cleaned data if there is one, and `route`'s parts.

    Args:
        route: below the console's root, as Django writes paths.
        name: of the address, in the namespace `holdfast`.
        title: unless the dataclass that the function returns has a `title`.
        template: gets the dataclass as `page`.
        needs: the least role.
        query: what the address may ask for; who asks wrongly is told so.
    """

    def made(function: Callable[..., Any]) -> Callable[..., Any]:
        PAGES[name] = Page(
            route=route,
            name=name,
            title=title,
            template=template,
            needs=needs,
            query=query,
            function=function,
        )
        return function

    return made


def action(
    route: str,
    *,
    name: str,
    label: Any,
    needs: Role = OPERATE,
    form: type[forms.Form] | None = None,
    initial: Callable[..., dict[str, Any]] | None = None,
    explains: Any = "",
) -> Callable[[Callable[..., Done]], Callable[..., Done]]:
    """Make an action of a function that takes the request, `form`'s cleaned data if there is one, and `route`'s parts.

    Args:
        route: below the console's root, as Django writes paths.
        name: of the address, in the namespace `holdfast`.
        label: what its button says.
        needs: the least role.
        form: what the user must or may say.
        initial: returns what the form shows first, from the same arguments but for the form's data.
        explains: a sentence on what it does, shown with its form.
    """

    def made(function: Callable[..., Done]) -> Callable[..., Done]:
        ACTIONS[name] = Action(
            route=route,
            name=name,
            label=label,
            explains=explains,
            needs=needs,
            form=form,
            initial=initial,
            function=function,
        )
        return function

    return made


def patterns() -> list[URLPattern]:
    """Return the addresses of all pages and actions, each as HTML and as JSON."""
    found = []
    # Actions first: the page of a thing whose name may have slashes would take the address of what is done with it.
    for act in ACTIONS.values():
        found += _both(act, _action_view(act, json=False), _action_view(act, json=True))
    for each in PAGES.values():
        found += _both(each, _page_view(each, json=False), _page_view(each, json=True))
    return found


def _both(what: Page | Action, html: View, data: View) -> list[URLPattern]:
    return [
        path(what.route, html, name=what.name),
        path(f"api/{what.route}", data, name=f"api-{what.name}"),
    ]


def _page_view(what: Page, *, json: bool) -> View:
    def view(request: HttpRequest, **parts: Any) -> HttpResponse:
        if request.method not in {"GET", "HEAD"}:
            return answers.wrong_method(request, "GET", json=json)
        asked: tuple[Any, ...] = ()
        if what.query is not None:
            form = what.query(request.GET)
            if not form.is_valid():
                return answers.invalid(request, form, status=400, json=json)
            asked = (form.cleaned_data,)
        content = what.function(request, *asked, **parts)
        if json:
            return JsonResponse(as_json(content))
        return answers.render(
            request,
            what.template,
            {"page": content, "title": getattr(content, "title", what.title), "name": what.name},
        )

    return _guarded(view, what.needs, json=json)


def _action_view(what: Action, *, json: bool) -> View:
    def view(request: HttpRequest, **parts: Any) -> HttpResponse:
        if request.method in {"GET", "HEAD"} and not json:
            return answers.form(request, what, _form(what, request, parts))
        if request.method != "POST":
            return answers.wrong_method(request, "POST", json=json)
        asked: tuple[Any, ...] = ()
        if what.form is not None:
            form = what.form(_sent(request))
            if not form.is_valid():
                if json:
                    return answers.invalid(request, form, status=422, json=True)
                return answers.form(request, what, form, status=422)
            asked = (form.cleaned_data,)
        done = what.function(request, *asked, **parts)
        if json:
            return JsonResponse({"message": str(done.message), **as_json(done.data)})
        return answers.redirect(request, str(done.message), to=done.to)

    return _guarded(view, what.needs, json=json)


def _form(what: Action, request: HttpRequest, parts: Mapping[str, Any]) -> forms.Form | None:
    if what.form is None:
        return None
    return what.form(initial=what.initial(request, **parts) if what.initial else None)


def _sent(request: HttpRequest) -> Any:
    """Return what was posted: a form, or an object of JSON.

    Raises:
        BadRequest: it says that it is JSON and is none, or no object.
    """
    if request.content_type != "application/json":
        return request.POST
    try:
        sent = json.loads(request.body or b"{}")
    except ValueError as error:
        raise BadRequest(f"What was sent is no JSON: {error}") from error
    if not isinstance(sent, dict):
        raise BadRequest(
            "What was sent must be an object of JSON: names and values of the form's fields"
        )
    return sent


def _guarded(view: View, needs: Role, *, json: bool) -> View:
    """Let in who may; say what went wrong in the form that was asked for."""

    def guarded(request: HttpRequest, **parts: Any) -> HttpResponse:
        if role(request) < needs:
            return answers.secured(answers.denied(request, needs, json=json))
        try:
            answer = view(request, **parts)
        except BadRequest as error:
            answer = answers.problem(request, 400, str(error), json=json)
        except Http404 as error:
            answer = answers.problem(request, 404, str(error), json=json)
        except HoldfastError as error:
            answer = answers.problem(request, 409, str(error), json=json)
        except OperationalError as error:
            told = _("The ledger's database does not answer: %(error)s") % {
                "error": str(error).strip()
            }
            answer = answers.problem(request, 503, told, json=json)
        return answers.secured(answer)

    protected: Any = csrf_protect(guarded)
    # A project that asks for a login everywhere would send scripts to a page; who is not let in is told so here.
    protected.login_required = False
    return protected
