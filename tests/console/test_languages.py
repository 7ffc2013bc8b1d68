"""The console in another language: pages, plurals, numbers, names of states; JSON and the terminal stay as they are."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from django import forms
from django.conf import settings
from django.core.management import call_command
from django.test import Client, override_settings
from django.utils.functional import Promise
from django.utils.translation import override

from holdfast import pausing
from holdfast.console import state_names, stream, tags
from holdfast.console import urls as _registered  # noqa: F401  # the console's own pages
from holdfast.console.hub import Hub
from holdfast.console.pages import ACTIONS, PAGES
from holdfast.console.snapshots import Figures, texts
from holdfast.doctor.findings import AREAS
from holdfast.ledger import pauses, transitions
from holdfast.ledger.security import Kind
from holdfast.ledger.states import Hold, Outcome, Reason, State
from tests.rows import hire, new_job

SESSIONS = "django.contrib.sessions.middleware.SessionMiddleware"


@pytest.fixture
def german(viewer: Client) -> Iterator[Client]:
    """A viewer whose browser asks for German, in a project that asks browsers."""
    found = list(settings.MIDDLEWARE)
    found.insert(found.index(SESSIONS) + 1, "django.middleware.locale.LocaleMiddleware")
    viewer.defaults["HTTP_ACCEPT_LANGUAGE"] = "de-AT,de;q=0.9,en;q=0.5"
    # The language of a request outlives it in its thread.
    with override("en"), override_settings(MIDDLEWARE=found):
        yield viewer


@pytest.mark.parametrize("name", sorted(n for n, page in PAGES.items() if "<" not in page.route))
def test_page_is_in_the_language_of_the_browser(german: Client, name: str) -> None:
    hire()
    transitions.record([new_job()])

    asked = {"kind": "cancel"} if name == "operation-new" else {}
    answer = german.get(
        f"/holdfast/{PAGES[name].route}", asked, headers={"X-Test-Role": "administer"}
    )
    html = answer.content.decode()

    assert (answer.status_code, '<html lang="de">' in html) == (200, True)
    menu = re.findall(r'data-key="\w"[^>]*>.*?</svg> (.*?)<span', html, re.DOTALL)
    assert {"Überblick", "Warteschlangen", "Zeitpläne", "Fehler"} <= set(menu)


def test_states_reasons_and_numbers_are_written_as_there(german: Client) -> None:
    hire()
    transitions.record([new_job(queue="mail") for _ in range(2)])
    pausing.pause(queue="mail", actor="ada", reason="zu viel")

    html = german.get("/holdfast/queues/").content.decode()
    jobs = german.get("/holdfast/jobs/").content.decode()

    assert "von ada" in html
    assert re.search(r'class="pill state-(held|queued)">(gehalten|eingereiht)<', jobs)
    assert german.get("/holdfast/api/jobs/").json()["jobs"][0]["state"] in {"held", "queued"}


def test_job_says_why_it_waits_in_that_language(german: Client) -> None:
    job = new_job(queue="mail")
    transitions.record([job])
    pauses.pause(pauses.QUEUE, "mail", actor="ada", reason="")

    html = german.get(f"/holdfast/jobs/{job.id}/").content.decode()

    assert "Warum er wartet" in html
    assert "Die Warteschlange mail ist seit" in html
    assert "<dt>Zustand</dt>" in html or "Tatsachen" in html


def test_who_is_not_let_in_is_told_so_in_that_language(german: Client) -> None:
    html = german.get("/holdfast/operations/new/").content.decode()
    assert '<html lang="de">' in html
    assert "Kein Zutritt" in html


@pytest.mark.parametrize(
    ("number", "said"), [(0, "0 Jobs"), (1, "1 Job"), (2, "2 Jobs"), (12_345, "12.345 Jobs")]
)
def test_numbers_have_their_plural_and_their_groups(number: int, said: str) -> None:
    with override("de"):
        assert tags.jobs_count(number) == said
        assert tags.jobs_count(number, exact=False) == f"etwa {said}"


@pytest.mark.parametrize(
    ("language", "figures"),
    [
        ("en", ("12,345", "1,234.5", "3.4 s", "12.5 ms", "2 min 5 s", "80.2/s")),
        ("de", ("12.345", "1.234,5", "3,4 s", "12,5 ms", "2 min 5 s", "80,2/s")),
    ],
)
def test_figures_are_written_as_in_that_language(language: str, figures: tuple[str, ...]) -> None:
    with override(language):
        assert figures == (
            tags.count(12_345),
            tags.count(1234.46),
            tags.duration(3.4),
            tags.duration(0.0125),
            tags.duration(125),
            texts(Figures(ended_per_second=80.17))["ended_per_second"],
        )


def test_graph_has_the_names_of_states_for_its_script(german: Client) -> None:
    job = new_job()
    transitions.record([job])

    html = german.get(f"/holdfast/workflows/{job.id}/").content.decode()
    said = re.search(r'data-states="([^"]*)"', html)

    assert said is not None
    assert json.loads(said[1].replace("&quot;", '"'))["queued"] == "eingereiht"


def test_stream_writes_figures_as_the_page_does(console: str) -> None:
    transitions.record([new_job(queue="orphan") for _ in range(1100)])

    async def first() -> dict[str, Any]:
        async for said in stream.told(Hub(pause_seconds=0.05), language="de"):
            if said.startswith("event: tick"):
                return dict(json.loads(said.split("data: ")[1]))
        raise AssertionError("the stream is over")

    assert asyncio.run(first())["figures"]["queued"] == "1.100"


def test_terminal_speaks_one_language(console: str) -> None:
    job = new_job(delay_seconds=3600.0, hold="eta")
    transitions.record([job])
    out = StringIO()

    with override("de"):
        call_command("holdfast", "jobs", "why", job.id, stdout=out)

    assert "It is not due" in out.getvalue()


def test_every_word_of_a_row_has_a_name() -> None:
    words = [
        *(state.name.lower() for state in State),
        *(value for of in (Hold, Outcome, Reason, Kind) for value in _values(of)),
        *AREAS,
    ]
    assert [word for word in words if word not in state_names.NAMES] == UNCHANGED


# What a person writes in code stays as it is written there.
UNCHANGED = ["eta"]


def _values(words: type) -> list[str]:
    return [value for name, value in vars(words).items() if name.isupper()]


def test_name_that_nobody_knows_stays_as_it_is() -> None:
    with override("de"):
        assert state_names.named("FETCHING_ROWS") == "FETCHING ROWS"
        assert state_names.named("handed back") == "zurückgegeben"


def test_everything_that_is_registered_is_translated_when_it_is_shown() -> None:
    """A plain text would be in the language of whoever imported the module."""
    ours = {n: p for n, p in PAGES.items() if p.function.__module__.startswith("holdfast.")}
    acts = {n: a for n, a in ACTIONS.items() if a.function.__module__.startswith("holdfast.")}
    plain = [name for name, page in ours.items() if not isinstance(page.title, Promise)]
    plain += [
        f"{name}: {text}"
        for name, act in acts.items()
        for text in (act.label, act.explains)
        if text and not isinstance(text, Promise)
    ]
    shown = [act.form for act in acts.values() if act.form is not None]
    plain += [text for form in shown for text in _plain_texts(form())]
    assert plain == []


def _plain_texts(form: forms.Form) -> Iterator[str]:
    for field in form.visible_fields():
        choices = getattr(field.field, "choices", ())
        for text in (field.label, field.help_text, *(label for _, label in choices)):
            if text and not isinstance(text, Promise):
                yield f"{type(form).__name__}.{field.name}: {text}"
