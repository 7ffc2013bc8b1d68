"""What people do to jobs, from the first click to the end in the ledger."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.browser import tasks
from tests.browser.browsing import Browse, violations
from tests.browser.ground import Ground

CARD = "4242 4242 4242 4242"


def test_search_is_an_address_that_somebody_else_can_open(browse: Browse, ground: Ground) -> None:
    page = browse("jobs/")
    page.get_by_role("combobox", name="Search").fill("state:dead task:shop.restock")
    page.get_by_role("button", name="Search").click()
    rows = page.locator("table.jobs tbody tr")
    expect(rows).to_have_count(1)
    expect(page.get_by_role("link", name="Take out state:dead")).to_be_visible()
    other = browse(page.url, role="view")
    expect(other.locator("table.jobs tbody tr")).to_have_count(1)
    expect(other.get_by_role("combobox", name="Search")).to_have_value(
        "state:dead task:shop.restock"
    )
    other.get_by_role("link", name="Take out task:shop.restock").click()
    expect(other).to_have_url(re.compile(r"\?q=state(:|%3A)dead$"))


def test_failed_job_is_edited_and_succeeds(browse: Browse, ground: Ground) -> None:
    job = ground.send(tasks.charge, 11, CARD, 7000)
    ground.await_state(job, "failed")
    page = browse(f"jobs/{job}/")
    expect(page.get_by_role("main")).to_contain_text("7000 is more than 1000")
    assert CARD not in page.content()
    page.get_by_role("link", name="Edit and replay").click()
    arguments = page.get_by_label("Arguments", exact=True)
    shown = arguments.input_value()
    assert "*" in shown
    arguments.fill(shown.replace("7000", "70"))
    expect(page.locator("[data-changes] ins")).to_contain_text("70")
    assert violations(page) == []
    page.get_by_role("button", name="Edit and replay").click()
    expect(page.locator("#told")).to_contain_text("back at work, edited")
    ground.await_state(job, "succeeded")
    # The open page sees it end, and that an operator had a hand in it.
    expect(page.locator("#live .pill.state-succeeded").first).to_be_visible()
    page.reload()
    expect(page.locator(".intervention").first).to_contain_text("operate@test")
    assert CARD not in page.content()


def test_edit_that_the_task_cannot_take_is_refused_with_the_reason(
    browse: Browse, ground: Ground
) -> None:
    browse.expect("409|422")
    job = ground.send(tasks.charge, 12, CARD, 8000)
    ground.await_state(job, "failed")
    page = browse(f"jobs/{job}/edit/")
    page.get_by_label("Arguments", exact=True).fill("[1, 2, 3, 4, 5]")
    page.get_by_role("button", name="Edit and replay").click()
    expect(page.get_by_role("alert")).to_be_visible()
    assert violations(page) == []
    assert ground.state(job) == "failed"


def test_ticked_jobs_are_cancelled_after_a_question(browse: Browse, ground: Ground) -> None:
    sent = [ground.send(tasks.mail, n, countdown=7200, queue="ticked") for n in range(3)]
    page = browse("jobs/?q=queue:ticked")
    cancel = page.get_by_role("button", name="Cancel", exact=True)
    expect(cancel).to_be_disabled()
    for job in sent[:2]:
        page.locator(f"[id='tick-{job}']").check()
    expect(page.locator("[data-rows-count]")).to_have_text("2")
    cancel.click()
    page.get_by_role("dialog").get_by_role("button", name="Do it").click()
    expect(page.locator("#told")).to_contain_text("2 jobs are cancelled")
    assert [ground.state(job) for job in sent] == ["cancelled", "cancelled", "held"]


def test_all_ticks_are_set_at_once_and_jobs_are_moved_to_another_queue(
    browse: Browse, ground: Ground
) -> None:
    sent = [ground.send(tasks.mail, n, queue="wrong address") for n in range(2)]
    page = browse('jobs/?q=queue:"wrong address"')
    page.get_by_label("All on this page").check()
    expect(page.locator("[data-rows-count]")).to_have_text("2")
    page.get_by_text("Move", exact=True).click()
    page.get_by_label("To the queue").fill("shelf")
    page.get_by_role("button", name="Move the ticked").click()
    expect(page.locator("#told")).to_contain_text("2 jobs are moved")
    for job in sent:
        ground.await_state(job, "succeeded")


def test_all_that_match_are_counted_first_and_then_moved_with_progress(
    browse: Browse, ground: Ground
) -> None:
    sent = [ground.send(tasks.restock, f"lamp {number}", queue="shelf") for number in range(4)]
    for job in sent:
        ground.await_state(job, "dead")
    page = browse("jobs/?q=state:dead queue:shelf")
    page.get_by_text("Act on all that match").click()
    page.get_by_role("link", name="Discard").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("4 jobs")
    assert violations(page) == []
    page.get_by_label("Reason, for the audit").fill("sold out")
    page.get_by_role("button", name=re.compile("4 jobs")).click()
    expect(page.locator("#told")).to_contain_text("is asked for")
    expect(page.locator("#live")).to_contain_text("100 %")
    expect(page.locator("#live .pill").first).to_have_text("done")
    expect(page.locator("#live")).to_contain_text("sold out")
    assert {ground.state(job) for job in sent} == {"cancelled"}


def test_running_job_is_asked_to_stop(browse: Browse, ground: Ground) -> None:
    job = ground.send(tasks.pack, 21, str(ground.site.directory / "gate of 21"))
    ground.await_state(job, "running")
    page = browse(f"jobs/{job}/")
    page.get_by_role("button", name="Ask to stop").click()
    expect(page.locator("#told")).to_contain_text("was asked to stop")
    expect(page.locator(".job-state")).to_contain_text("asked to stop")
    (ground.site.directory / "gate of 21").touch()
    # The page follows it to its end.
    expect(page.locator(".job-state .pill").first).not_to_have_text("running")


def test_form_of_an_older_state_does_nothing_and_says_so(browse: Browse, ground: Ground) -> None:
    browse.expect("409")
    job = ground.send(tasks.charge, 13, CARD, 9000)
    ground.await_state(job, "failed")
    page = browse(f"jobs/{job}/")
    other = browse(f"jobs/{job}/")
    for each in (other, page):
        each.get_by_role("button", name="Discard").click()
    other.get_by_role("dialog").get_by_role("button", name="Do it").click()
    expect(other.locator("#told")).to_contain_text("is discarded")
    page.get_by_role("dialog").get_by_role("button", name="Do it").click()
    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_have_text("Not done")
