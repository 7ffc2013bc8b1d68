"""Open pages stay true: told by the server's events, or asking where there are none; and they say when they are not."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser import tasks
from tests.browser.browsing import Browse
from tests.browser.ground import Ground
from tests.browser.names import UNSERVED
from tests.browser.serving import WebServer
from tests.eventually import eventually

SENT = 4


@pytest.fixture
def under_wsgi(ground: Ground) -> Iterator[WebServer]:
    with WebServer(ground.site, wsgi=True) as web:
        yield web


@pytest.fixture(params=["asgi", "wsgi"])
def own(request: pytest.FixtureRequest, ground: Ground) -> Iterator[WebServer]:
    """A web server that may be killed, of each kind."""
    with WebServer(ground.site, wsgi=request.param == "wsgi") as web:
        yield web


def asked(page: Page) -> list[str]:
    """Note what a page asks for from now on."""
    found: list[str] = []
    page.on("request", lambda request: found.append(request.url))
    return found


def queued(ground: Ground) -> str:
    return str(ground.api("pulse/")["figures"]["queued"])


def see_a_figure_change(ground: Ground, page: Page) -> None:
    """Record jobs that nobody takes, and see them counted in a page that is not loaded again."""
    page.evaluate("() => { window.loadedOnce = true }")
    figure = page.locator("[data-figure=queued]")
    waiting = page.locator("#lists tr", has_text=UNSERVED).locator("[data-label=Waiting]")
    before = (figure.inner_text(), int(waiting.inner_text()))
    for number in range(SENT):
        ground.send(tasks.mail, number, queue=UNSERVED)
    expect(waiting).to_have_text(str(before[1] + SENT))
    expect(figure).not_to_have_text(before[0])
    eventually(lambda: figure.inner_text() == queued(ground), told="the figure is that of the API")
    assert page.evaluate("() => window.loadedOnce") is True


def test_overview_changes_by_the_servers_events(browse: Browse, ground: Ground) -> None:
    page = browse()
    urls = asked(page)
    page.reload()
    see_a_figure_change(ground, page)
    assert any(url.endswith("/events/") for url in urls)
    assert not any(url.endswith("/api/pulse/") for url in urls)


def test_page_asks_where_the_stream_is_not_there(browse: Browse, ground: Ground) -> None:
    browse.expect("404")
    page = browse("queues/")
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/events/", hold)
    urls = asked(page)
    page.goto("")
    # Long after the page is there, as a proxy answers that has waited for the server.
    eventually(lambda: page.title() and held, told="the stream is asked for")
    held.pop().fulfill(status=404)
    see_a_figure_change(ground, page)
    assert any(url.endswith("/api/pulse/") for url in urls)


def test_page_asks_where_the_server_has_no_streams(
    browse: Browse, ground: Ground, under_wsgi: WebServer
) -> None:
    page = browse(web=under_wsgi)
    see_a_figure_change(ground, page)


def test_figures_change_with_the_servers_events_alone(browse: Browse, ground: Ground) -> None:
    browse.expect("net::ERR_|htmx:")
    page = browse()

    def refuse(route: Route) -> None:
        if route.request.headers.get("hx-request"):
            route.abort()
        else:
            route.continue_()

    page.route("**/holdfast/", refuse)
    figure = page.locator("[data-figure=queued]")
    before = figure.inner_text()
    ground.send(tasks.mail, 9, queue=UNSERVED)
    expect(figure).not_to_have_text(before)


def test_title_and_badge_say_how_much_needs_attention(browse: Browse, ground: Ground) -> None:
    page = browse("jobs/")
    expect(page).to_have_title(re.compile(r"^\(\d+\) Jobs"))
    badge = page.locator("[data-badge=overview]")
    eventually(lambda: page.title().startswith(f"({badge.inner_text()}) "))
    # Also after a part has fetched itself.
    with page.expect_response(lambda answer: answer.url.endswith("/jobs/")):
        pass
    expect(page).to_have_title(re.compile(r"^\(\d+\) Jobs"))


def test_page_says_that_the_server_is_away_and_goes_on_when_it_is_back(
    browse: Browse, ground: Ground, own: WebServer
) -> None:
    browse.expect("net::ERR_|htmx:")
    page = browse("queues/", web=own)
    told = page.locator("[data-connection]")
    expect(page.locator("body")).to_have_attribute("data-live", "live")
    own.kill()
    expect(told).to_contain_text("The server has not answered since")
    own.start()
    expect(told).to_be_empty()
    ground.send(tasks.mail, 1, queue="fresh from the line")
    expect(page.get_by_role("link", name="fresh from the line")).to_be_visible()


def test_page_says_that_its_reader_may_not_look_any_more(browse: Browse, ground: Ground) -> None:
    browse.expect("401")
    page = browse()
    expect(page.locator("body")).to_have_attribute("data-live", "live")
    page.context.set_extra_http_headers({})
    page.evaluate("() => window.dispatchEvent(new Event('pagehide'))")
    page.evaluate("() => window.dispatchEvent(new Event('pageshow'))")
    expect(page.locator("[data-connection]")).to_contain_text("not signed in any more")


def test_answer_that_comes_late_takes_nothing_from_who_is_asked_a_question(
    browse: Browse, ground: Ground
) -> None:
    job = ground.send(tasks.mail, 5, countdown=7200)
    page = browse(f"jobs/{job}/")
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route(f"**/holdfast/jobs/{job}/", hold)
    # Each question to the page lets Playwright's own loop turn.
    eventually(lambda: page.title() and held, told="the page asks for its part")
    page.get_by_role("button", name="Cancel").click()
    with page.expect_response(re.compile(rf"/jobs/{job}/$")):
        held.pop().continue_()
    expect(page.locator(".htmx-request")).to_have_count(0)
    page.unroute_all()
    page.get_by_role("dialog").get_by_role("button", name="Do it").click()
    expect(page.locator("#told")).to_contain_text("is cancelled")
