"""Charts are drawn, in the colours of the theme, and say the same as a table."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.browsing import THEMES, Browse, violations
from tests.browser.ground import Ground
from tests.eventually import eventually

# How many pixels of each colour a drawing has, by its red, green and blue.
COLOURS = """(canvas) => {
  const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true });
  copy.drawImage(canvas, 0, 0);
  const { data } = copy.getImageData(0, 0, canvas.width, canvas.height);
  const found = {};
  for (let at = 0; at < data.length; at += 4) {
    if (data[at + 3] > 250) {
      const colour = `rgb(${data[at]}, ${data[at + 1]}, ${data[at + 2]})`;
      found[colour] = (found[colour] || 0) + 1;
    }
  }
  return found;
}"""
COLOUR_OF = """(canvas, name) => {
  const probe = document.createElement("i");
  probe.style.color = `var(${name})`;
  canvas.parentElement.append(probe);
  const colour = getComputedStyle(probe).color;
  probe.remove();
  return colour;
}"""


def drawn(canvas: Locator, name: str) -> int:
    """Return how many pixels of a drawing have a colour of the theme."""
    expect(canvas).to_be_visible()
    colour = canvas.evaluate(COLOUR_OF, name)
    return int(canvas.evaluate(COLOURS).get(colour, 0))


@pytest.mark.parametrize("theme", THEMES)
def test_overview_draws_what_ended_in_colours_of_the_theme(
    browse: Browse, ground: Ground, theme: str
) -> None:
    page = browse(theme=theme)
    canvas = page.locator("#chart-ends canvas")
    # Bars of what succeeded and of what failed, and the words of the axes.
    assert drawn(canvas, "--good") > 20
    assert drawn(canvas, "--bad") > 20
    assert drawn(page.locator("#chart-wait canvas"), "--info") > 20


def test_drawing_takes_the_colours_of_the_other_theme(browse: Browse, ground: Ground) -> None:
    page = browse("queues/mail/")
    canvas = page.locator("#chart-queue-depth canvas")
    assert drawn(canvas, "--info") > 20
    page.emulate_media(color_scheme="dark")
    eventually(lambda: drawn(canvas, "--info") > 20, told="it is drawn in the dark theme's colour")


def test_chart_is_a_table_too(browse: Browse, ground: Ground) -> None:
    page = browse()
    figure = page.locator("#chart-ends")
    assert "Jobs that ended" in (figure.locator("canvas").get_attribute("aria-label") or "")
    figure.get_by_text("The same as a table").click()
    minutes = page.evaluate(
        "() => JSON.parse(document.getElementById('ends').textContent).x.length"
    )
    expect(figure.locator(".chart-table tbody tr")).to_have_count(minutes)
    assert violations(page) == []


def test_chart_without_figures_says_so(browse: Browse, ground: Ground) -> None:
    page = browse("queues/shelf/")
    expect(page.locator("#chart-queue-depth")).to_contain_text("Nothing in this time.")
