"""The pages of simulations in a real browser: an analyst runs, watches, asks further; by mouse, keys and phone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Locator, Page, expect

from holdfast.testing.services import RedisServer
from tests.browser.browsing import NARROW, Browse, excess_width, go, violations
from tests.browser.jost import JostSite, jost_site
from tests.browser.test_pages import faults

ROUNDS = 3_000_000
COUNTED = {
    "counting": "hi-lo",
    "index_plays": ["illustrious-18"],
    "bets": {"ramp": {"0": 1, "2": 4}, "unit": 10},
    "bankroll": {"units": 1000, "hours": 100},
}
# No test counts these to their end.
ENDLESS = 100_000_000_000


@dataclass(kw_only=True)
class JostGround:
    """The site and what stands in its list from the beginning."""

    web: JostSite
    runs: dict[str, str] = field(default_factory=dict)


@pytest.fixture(scope="session")
def ground(
    tmp_path_factory: pytest.TempPathFactory, redis_server: RedisServer
) -> Iterator[JostGround]:
    """In place of the console's site."""
    with jost_site(tmp_path_factory.mktemp("jost"), redis_url=redis_server.url) as site:
        runs = {
            "counted": f"lifecycle.start(Setup.from_dict({COUNTED!r}), rounds={ROUNDS}, seed=1).pk",
            "flat": (
                "lifecycle.start(Setup.from_dict({'dealing': {'mode': 'every_round'}}), "
                f"rounds={ROUNDS}, seed=2, name='Flat').pk"
            ),
            "paused": (
                "(lambda run: lifecycle.pause(run) and run.pk)"
                f"(lifecycle.start(Setup.from_dict({{}}), rounds={ENDLESS}, seed=4))"
            ),
            "sweep": (
                "studies.sweep(Setup.from_dict({}), key='dealing.penetration', "
                "values=[0.5, 0.8], rounds=100_000, seed=3).pk"
            ),
        }
        yield JostGround(web=site, runs={name: site.ask(code) for name, code in runs.items()})


def state(page: Page) -> Locator:
    return page.locator("[data-state]")


def await_end(page: Page) -> None:
    expect(state(page)).to_have_text("succeeded")


def start_endless(browse: Browse, page: Page) -> None:
    """Start one that will not end while anybody looks."""
    go(page, "new/?preset=plain-6d")
    page.get_by_label("Rounds", exact=True).fill(str(ENDLESS))
    page.get_by_role("button", name="Run", exact=True).click()
    expect(state(page)).to_have_text("running")


@pytest.mark.parametrize(
    "address",
    [
        "",
        "new/?open=rules&open=strategy&open=counting&open=bets&open=run",
        "chart/",
        "studies/",
        "studies/compare/",
        "studies/sweep/",
        "compare/",
        "studies/{sweep}/",
        "{counted}/",
        "{flat}/?exact=1",
        "{paused}/",
        "{counted}/bets/?betting=kelly&kelly=0.5&bankroll=500&hours=50&max_units=8",
    ],
)
def test_page_is_accessible_fits_and_complains_of_nothing(
    browse: Browse, ground: JostGround, address: str
) -> None:
    page = browse(address.format(**ground.runs))
    for fold in page.locator("details.figures > summary").all():
        fold.click()

    assert faults(page) == []


def test_analyst_picks_a_game_and_watches_its_estimate_converge(browse: Browse) -> None:
    page = browse("new/")
    page.get_by_label("A casino's game").select_option("strip-6d")
    expect(page.get_by_label("late")).to_be_checked()
    page.get_by_text("Counting", exact=True).click()
    page.get_by_label("Counting system").select_option("hi-lo")
    page.get_by_label("Rounds", exact=True).fill("2e6")
    page.get_by_role("button", name="Run", exact=True).click()

    await_end(page)

    expect(page.locator("[data-ev]")).to_have_text(re.compile(r"^[+\u2212]\d\.\d{4}\u202f%$"))
    expect(page.locator("[data-exact]")).to_contain_text("simulated")
    for title in ("Convergence", "Edge and frequency by true count", "Outcomes of a round"):
        figure = page.locator("figure", has_text=title)
        expect(figure.get_by_role("img")).to_be_visible()


def test_buttons_pause_resume_extend_and_cancel(browse: Browse) -> None:
    page = browse()
    start_endless(browse, page)

    page.get_by_role("button", name="Pause").click()
    expect(state(page)).to_have_text("paused")
    page.get_by_role("button", name="Resume").click()
    expect(state(page)).to_have_text(re.compile("queued|running"))
    page.get_by_role("button", name="Cancel").click()
    expect(state(page)).to_have_text("cancelled")
    expect(page.get_by_role("button", name="Pause")).to_have_count(0)


def test_extension_goes_on_from_what_is_counted(browse: Browse, ground: JostGround) -> None:
    page = browse(f"{ground.runs['flat']}/")
    await_end(page)

    page.get_by_label("Another").fill("1e6")
    page.get_by_role("button", name="Extend").click()

    await_end(page)
    expect(page.locator("[data-rounds]")).to_have_text("4\u202f000\u202f000")


def test_target_ends_a_run_before_its_rounds(browse: Browse) -> None:
    page = browse("new/?preset=plain-6d&open=run")
    page.get_by_label("Rounds", exact=True).fill("1e9")
    page.get_by_label("Stop when the 95 % interval is this narrow").fill("0.2")
    page.get_by_role("button", name="Run", exact=True).click()

    await_end(page)
    expect(page.get_by_role("heading", level=1)).not_to_have_text(
        "1\u202f000\u202f000\u202f000 rounds"
    )
    expect(page.get_by_label("Setup")).to_contain_text("until \u00b1 0.2000\u202f%")


def test_page_changes_its_buttons_when_the_run_ends_elsewhere(
    browse: Browse, ground: JostGround
) -> None:
    page = browse()
    start_endless(browse, page)
    other = browse()
    go(other, page.url)

    other.get_by_role("button", name="Cancel").click()

    expect(state(page)).to_have_text("cancelled")
    expect(page.get_by_role("button", name="Cancel")).to_have_count(0)


def test_steps_of_a_ramp_are_edited_one_by_one(browse: Browse) -> None:
    page = browse("new/?open=bets")
    page.get_by_label("ramp", exact=True).check()
    page.get_by_role("button", name="Take this step away").last.click()
    page.get_by_role("button", name="Add a step").click()
    page.get_by_label("units", exact=True).last.fill("20")

    assert page.locator("[name=ramp]").input_value() == "0:1, 1:2, 2:4, 3:6, 4:8, 5:20"


def test_error_is_where_the_reader_is(browse: Browse) -> None:
    browse.expect("422")
    page = browse("new/?open=strategy", width=NARROW)
    page.get_by_label("my own chart").check()
    page.get_by_label("Chart", exact=True).fill("16,S,S,S,S,S,H,H,X,H,H")
    page.get_by_role("button", name="Run", exact=True).click()

    expect(page.get_by_role("alert")).to_contain_text("against 9")
    expect(page.get_by_label("Chart", exact=True)).to_be_focused()
    assert violations(page) == []
    assert excess_width(page) == 0


def test_chart_is_read_by_keys(browse: Browse) -> None:
    page = browse("chart/")
    page.get_by_role("cell", name="H").first.focus()

    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")

    expect(page.locator("[data-said]")).to_have_text(re.compile(r"^6 against 3: hit .*stand "))


def test_drawing_is_kept_as_a_picture(browse: Browse, ground: JostGround) -> None:
    page = browse(f"{ground.runs['counted']}/")
    await_end(page)

    with page.expect_download() as kept:
        page.get_by_role("button", name="PNG of Outcomes of a round").click()

    assert kept.value.suggested_filename == "outcomes-of-a-round.png"
    assert kept.value.path().read_bytes().startswith(b"\x89PNG")


def test_other_bets_have_an_address(browse: Browse, ground: JostGround) -> None:
    page = browse(f"{ground.runs['counted']}/bets/")
    page.get_by_label("Bankroll, units optional").fill("200")
    page.get_by_role("button", name="Show").click()

    expect(page).to_have_url(re.compile("bankroll=200"))
    expect(page.get_by_text("Risk of ruin", exact=True)).to_be_visible()


def test_ticked_runs_are_compared(browse: Browse, ground: JostGround) -> None:
    page = browse()
    for box in page.get_by_role("checkbox").all()[:2]:
        box.check()
    page.get_by_role("button", name="Compare the ticked ones").click()

    expect(page.get_by_role("heading", level=1)).to_have_text("Side by side")
    expect(page.get_by_role("table").last).to_contain_text("B less A")


def test_run_is_read_without_scripts(browse: Browse, ground: JostGround) -> None:
    await_end(browse(f"{ground.runs['counted']}/"))
    page = browse(f"{ground.runs['counted']}/?exact=1", scripts=False, width=NARROW)

    expect(page.locator("[data-ev]")).to_have_text(re.compile(r"\d\.\d{4}"))
    # No room is kept for drawings that do not come.
    assert all(place.bounding_box()["height"] < 60 for place in page.locator(".plot-place").all())
    page.locator("figure", has_text="Edge and frequency").get_by_text("As a table").click()
    expect(page.get_by_role("table", name="Edge and frequency by true count")).to_be_visible()
    assert excess_width(page) == 0
