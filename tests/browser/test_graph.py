"""The graph of a workflow: drawn, moved by mouse and keys, opened step by step, and living on while it is looked at."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from celery import chain
from playwright.sync_api import Page, expect

from tests.browser import tasks
from tests.browser.browsing import NARROW, Browse, excess_width, violations
from tests.browser.ground import CAMPAIGN, Ground

VIEW = "svg.graph-view"


def place(page: Page) -> tuple[float, float, float]:
    """Return where the drawing is, and its scale."""
    said = page.locator(f"{VIEW} > g").get_attribute("transform") or ""
    x, y, scale = (float(each) for each in re.findall(r"-?[\d.]+(?:e-?\d+)?", said))
    return x, y, scale


def many(page: Page) -> str:
    """Return the selector of the box that stands for hundreds."""
    expect(page.locator(".box.k-many")).to_have_count(1)
    return ".box.k-many"


def test_hundreds_are_one_box_that_opens_fifty_at_a_time(browse: Browse, ground: Ground) -> None:
    page = browse(f"workflows/{ground.jobs['campaign']}/")
    box = page.locator(many(page))
    expect(box).to_contain_text(f"{CAMPAIGN} · succeeded")
    expect(page.locator(".box")).to_have_count(2)
    box.click()
    panel = page.locator(".graph-panel")
    expect(panel).to_contain_text(f"{CAMPAIGN} succeeded")
    assert violations(page) == []
    panel.get_by_role("button", name="Open 50 more").click()
    expect(page).to_have_url(re.compile(r"\?open=group"))
    expect(page.locator(".box.k-job")).to_have_count(51)
    expect(page.locator(many(page))).to_contain_text(str(CAMPAIGN - 50))


def test_graph_is_moved_and_zoomed_by_mouse_wheel_buttons_and_keys(
    browse: Browse, ground: Ground
) -> None:
    page = browse(f"workflows/{ground.jobs['chord']}/")
    view = page.locator(VIEW)
    x, y, scale = place(page)
    page.get_by_role("button", name="Zoom in").click()
    assert place(page)[2] > scale
    page.get_by_role("button", name="Fit").click()
    assert place(page) == (x, y, scale)

    corner = view.bounding_box()
    assert corner is not None
    page.mouse.move(corner["x"] + 10, corner["y"] + 10)
    page.mouse.down()
    page.mouse.move(corner["x"] + 70, corner["y"] + 50, steps=3)
    page.mouse.up()
    assert place(page) == pytest.approx((x + 60, y + 40, scale))
    before = transform(page)
    page.mouse.wheel(0, 300)
    page.wait_for_function(f"(before) => {LAYER} !== before", arg=before)

    view.focus()
    page.keyboard.press("0")
    assert place(page) == (x, y, scale)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("+")
    assert place(page)[2] > scale
    page.keyboard.press("0")
    assert place(page) == (x, y, scale)


LAYER = f'document.querySelector("{VIEW} > g").getAttribute("transform")'


def transform(page: Page) -> str:
    return str(page.evaluate(f"() => {LAYER}"))


def test_boxes_are_reached_by_keys_and_lead_to_the_job(browse: Browse, ground: Ground) -> None:
    page = browse(f"workflows/{ground.jobs['campaign']}/")
    page.locator(VIEW).focus()
    page.keyboard.press("Tab")
    first = page.locator(".box:focus")
    expect(first).to_contain_text("campaign")
    page.keyboard.press("ArrowRight")
    expect(page.locator(".box.k-many:focus")).to_be_visible()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    panel = page.locator(".graph-panel")
    expect(panel).to_be_visible()
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    page.keyboard.press("Enter")
    panel.get_by_role("link", name="Look at the job").click()
    expect(page).to_have_url(re.compile(rf"/jobs/{ground.jobs['campaign']}/$"))


def test_graph_follows_what_runs(browse: Browse, ground: Ground, tmp_path: Path) -> None:
    gates = [tmp_path / f"gate{number}" for number in range(6)]
    steps = [tasks.pack.si(number, str(gate)) for number, gate in enumerate(gates)]
    last = ground.do(lambda: chain(*steps).apply_async())
    while last.parent is not None:
        last = last.parent
    ground.await_state(last.id, "running")
    page = browse(f"workflows/{last.id}/", width=700)
    follow = page.get_by_role("button", name="Follow what runs")
    follow.click()
    expect(follow).to_have_attribute("aria-pressed", "true")
    for gate in gates[:-1]:
        gate.touch()
    expect(page.locator(".box.g-succeeded")).to_have_count(len(gates) - 1)
    running = page.locator(".box.g-running")
    expect(running).to_have_count(1)
    expect(running).to_be_in_viewport(ratio=0.9)
    inside = page.evaluate(INSIDE)
    assert inside is True
    gates[-1].touch()
    expect(page.locator(".box.g-succeeded")).to_have_count(len(gates))


INSIDE = f"""() => {{
  const view = document.querySelector("{VIEW}").getBoundingClientRect();
  const box = document.querySelector(".box.g-running").getBoundingClientRect();
  const beside = box.left >= view.left - 1 && box.right <= view.right + 1;
  return beside && box.top >= view.top - 1 && box.bottom <= view.bottom + 1;
}}"""


def test_graph_fits_a_telephone(browse: Browse, ground: Ground) -> None:
    page = browse(f"workflows/{ground.jobs['chord']}/", width=NARROW, has_touch=True)
    expect(page.locator(".box").first).to_be_visible()
    assert excess_width(page) == 0
