"""What people do to queues and schedules; and that who may only look is offered none of it."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser import addresses, tasks
from tests.browser.browsing import Browse, press, violations
from tests.browser.ground import Ground

# What posts, and what leads to a form that does.
FORMS = ("pause", "edit", "new", "change", "cancel", "purge", "reroute", "resize", "stacks")
ACTS = ", ".join(
    ["main form[method=post] button", *(f"main a[href*='/{form}/']" for form in FORMS)]
)


def test_queue_is_paused_and_goes_on(browse: Browse, ground: Ground) -> None:
    page = browse("queues/shelf/")
    press(page, "Pause", Reason="stock take")
    expect(page.locator("#told")).to_contain_text("Queue shelf is paused.")
    expect(page.locator("#live")).to_contain_text("by operate@test")
    expect(page.locator("#live")).to_contain_text("stock take")
    job = ground.send(tasks.mail, 31, queue="shelf")
    ground.await_state(job, "held")
    press(page, "Resume")
    expect(page.locator("#told")).to_contain_text("Queue shelf goes on.")
    ground.await_state(job, "succeeded")


def test_queue_is_purged_of_exactly_what_was_counted(browse: Browse, ground: Ground) -> None:
    counted = [ground.send(tasks.mail, n, queue="lost property") for n in range(3)]
    page = browse("queues/lost property/")
    page.get_by_role("link", name="Cancel what waits").click()
    expect(page.get_by_role("main")).to_contain_text("3 jobs of queue lost property wait now")
    assert violations(page) == []
    late = ground.send(tasks.mail, 9, queue="lost property")
    page.get_by_role("button", name="Cancel what waits").click()
    expect(page.locator("#told")).to_contain_text("3 jobs of queue lost property are cancelled")
    assert {ground.state(job) for job in counted} == {"cancelled"}
    assert ground.state(late) == "queued"


def test_schedule_is_run_now_after_a_question(browse: Browse, ground: Ground) -> None:
    page = browse("schedules/newsletter/")
    page.get_by_role("button", name="Run now").click()
    page.get_by_role("dialog").get_by_role("button", name="Do it").click()
    told = page.locator("#told")
    expect(told).to_contain_text("is recorded")
    job = told.inner_text().split()[1]
    ground.await_state(job, "succeeded")
    assert "hush" not in page.content()


def test_schedule_is_paused_and_resumed(browse: Browse, ground: Ground) -> None:
    page = browse("schedules/")
    row = page.locator("table.schedules tr", has_text="stock take")
    press(page, "Pause", within=row)
    expect(page.locator("#told")).to_contain_text("Schedule stock take is paused.")
    press(page, "Resume")
    expect(page.locator("#told")).to_contain_text("Schedule stock take goes on.")


def test_doctor_is_asked(browse: Browse, ground: Ground) -> None:
    page = browse("doctor/")
    page.get_by_role("button", name="Examine", exact=False).last.click()
    expect(page.get_by_role("main")).to_contain_text("Last examined")
    assert violations(page) == []


@pytest.mark.parametrize(
    "name",
    [
        "job",
        "jobs",
        "queue",
        "queues",
        "schedules",
        "schedule",
        "batch",
        "limit",
        "doctor",
        "error",
        "worker",
    ],
)
def test_who_may_only_look_is_offered_nothing_else(
    browse: Browse, ground: Ground, name: str
) -> None:
    address = addresses.PAGES[name](ground)[0]
    page = browse(address, role="administer")
    assert offered(page) > 0
    assert offered(browse(address, role="view")) == 0


def offered(page: Page) -> int:
    """Count what a page offers to do."""
    return page.locator(ACTS).count()


def test_who_may_not_is_told_which_permission_is_missing(browse: Browse, ground: Ground) -> None:
    browse.expect("403")
    page = browse(f"workers/{ground.worker}/stacks/", role="operate")
    expect(page.get_by_role("main")).to_contain_text("holdfast.administer_console")
    assert violations(page) == []


def test_what_is_not_there_is_said_to_be_so(browse: Browse) -> None:
    browse.expect("404")
    page = browse("jobs/nobody-knows-it/")
    expect(page.get_by_role("heading", level=1)).to_have_text("Not here")
    assert violations(page) == []
