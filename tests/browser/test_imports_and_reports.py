"""Imports and reports in a real browser: files that come in, stop and go on, and figures that jobs add up."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from holdfast.testing.services import RedisServer
from tests.browser.browsing import NARROW, THEMES, Browse, excess_width, go, violations
from tests.browser.test_pages import faults
from tests.eventually import eventually
from tests.jost_site import JostSite
from tests.outside import Outside

FEW = "email,name,phone\nada@example.com,Ada,+49 30 1234567\nnobody,Bob,\ngrace@example.com,Grace\n"
LONG = "a list of everybody whom anybody of us has ever met at a table " + "x" * 120 + ".csv"
# Enough of them to be pressed at, and few enough to be waited for.
MANY = 40_000
SALES = 5_000
MODELS = (
    "from jost.imports.models import Contact, Import; from django.db.models import Count;"
    "from jost.reports import daily; from jost.reports.models import Report, ReportFile"
)


@dataclass(kw_only=True)
class FilesGround:
    """The site, and where a browser finds it."""

    site: JostSite
    outside: Outside
    address: str
    folder: Path

    @property
    def web(self) -> FilesGround:
        return self

    @property
    def root(self) -> str:
        return f"{self.address}/"

    def log_tail(self) -> str:
        return (self.folder / "web.log").read_text()[-4000:]

    def ask(self, expression: str) -> Any:
        return self.site.ask(expression, imports=MODELS)


@pytest.fixture(scope="session")
def ground(
    tmp_path_factory: pytest.TempPathFactory, redis_server: RedisServer
) -> Iterator[FilesGround]:
    """In place of the console's site; its worker begins with each test that needs one."""
    folder = tmp_path_factory.mktemp("files")
    with (
        Outside(folder) as outside,
        JostSite(folder, redis_url=redis_server.url, gateways_url=outside.url) as site,
    ):
        site.manage("seed_sales", "--rows", str(SALES), "--verbosity", "0")
        address = site.web()
        yield FilesGround(site=site, outside=outside, address=address, folder=folder)


@pytest.fixture
def worker(ground: FilesGround) -> Iterator[None]:
    """One that works on everything, for one test."""
    worker = ground.site.worker()
    yield
    worker.kill()


def upload(page: Page, *, name: str, content: str) -> None:
    go(page, "imports/")
    file = {"name": name, "mimeType": "text/csv", "buffer": content.encode()}
    page.get_by_label("CSV file").set_input_files(file)
    page.get_by_role("button", name="Upload and import").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(name)


def many() -> str:
    rows = "".join(f"person{n}@example.com,Person {n}\n" for n in range(MANY))
    return f"email,name\n{rows}"


def state(page: Page) -> Locator:
    return page.get_by_role("main").get_by_role("status").last


def in_of(page: Page) -> int:
    told = page.locator("dt", has_text="Rows imported").locator("xpath=following-sibling::dd")
    return int(re.sub(r"\D", "", told.inner_text()))


def await_rows(page: Page) -> None:
    """Return once the page, of itself, says that some are in."""
    page.wait_for_function(
        "() => [...document.querySelectorAll('dt')].some((each) => each.textContent === 'Rows imported'"
        " && /[1-9]/.test(each.nextElementSibling.textContent))"
    )


def number_of(page: Page) -> int:
    found = re.search(r"(\d+)/$", page.url)
    assert found is not None
    return int(found[1])


def rows_once(ground: FilesGround, number: int) -> list[int]:
    """How many contacts came of an import, and how many different ones."""
    contacts = f"Contact.objects.filter(source={number})"
    found: list[int] = ground.ask(
        f"[{contacts}.count(), {contacts}.values('email').distinct().count()]"
    )
    return found


@pytest.mark.usefixtures("worker")
def test_person_uploads_a_file_and_reads_what_was_refused(browse: Browse, tmp_path: Path) -> None:
    page = browse("imports/")
    expect(page.locator(".empty, .rows")).to_have_count(1)
    upload(page, name=LONG, content=FEW)

    expect(state(page)).to_have_text("done")
    table = page.get_by_role("table", name="What was refused")
    expect(table.get_by_role("row").nth(1)).to_have_text(
        re.compile("^3.*no mail address.*nobody,Bob")
    )
    expect(table.get_by_role("row").nth(2)).to_have_text(re.compile("^4.*2 cells"))
    with page.expect_download() as kept:
        page.get_by_role("link", name="Download as CSV").click()
    kept.value.save_as(tmp_path / "errors.csv")
    assert (tmp_path / "errors.csv").read_text().splitlines()[1].startswith("3,email: no mail")
    assert faults(page) == []
    assert faults(browse("imports/")) == []


@pytest.mark.usefixtures("worker")
def test_hundreds_of_wrong_rows_have_pages(browse: Browse) -> None:
    page = browse("imports/")
    wrong = "".join(f"nobody{n},{'Long ' * 60}\n" for n in range(250))
    upload(page, name="wrong.csv", content=f"email,name\n{wrong}")
    expect(state(page)).to_have_text("done")

    page.get_by_role("link", name="All 250 rows").click()
    page.get_by_role("link", name="Next").click()

    expect(page.get_by_role("rowheader").first).to_have_text("102")
    assert faults(page) == []


def test_file_that_is_none_is_refused_where_the_reader_is(browse: Browse) -> None:
    browse.expect("422")
    page = browse("imports/", width=NARROW)
    file = {"name": "x.csv", "mimeType": "text/csv", "buffer": b"mail;name\n"}
    page.get_by_label("CSV file").set_input_files(file)
    page.get_by_role("button", name="Upload and import").click()

    expect(page.get_by_role("alert").last).to_contain_text("not semicolons")
    assert violations(page) == []
    assert excess_width(page) == 0


def test_import_is_cancelled_and_goes_on_where_it_was(browse: Browse, ground: FilesGround) -> None:
    worker = ground.site.worker()
    page = browse("imports/")
    upload(page, name="cancelled.csv", content=many())
    await_rows(page)

    page.get_by_role("button", name="Cancel").click()

    expect(state(page)).to_have_text("cancelled")
    were_in = in_of(page)
    assert 0 < were_in < MANY
    assert faults(page) == []
    page.get_by_role("button", name="Go on where it was").click()
    expect(state(page)).to_have_text("done")
    assert rows_once(ground, number_of(page)) == [MANY, MANY]
    worker.kill()


def test_import_whose_worker_is_killed_goes_on_by_itself(
    browse: Browse, ground: FilesGround
) -> None:
    first = ground.site.worker()
    page = browse("imports/")
    upload(page, name="killed.csv", content=many())
    await_rows(page)

    first.kill()
    expect(state(page)).to_have_text("running")
    second = ground.site.worker()

    expect(state(page)).to_have_text("done")
    assert rows_once(ground, number_of(page)) == [MANY, MANY]
    second.kill()


def test_file_is_uploaded_and_read_without_scripts(browse: Browse, ground: FilesGround) -> None:
    worker = ground.site.worker()
    page = browse("imports/", scripts=False, width=NARROW)
    file = {"name": "plain.csv", "mimeType": "text/csv", "buffer": FEW.encode()}
    page.get_by_label("CSV file").set_input_files(file)
    page.get_by_role("button", name="Upload and import").click()

    # It loads itself again until its end.
    expect(page.get_by_text("done", exact=True)).to_be_visible()
    assert excess_width(page) == 0
    worker.kill()


@pytest.mark.usefixtures("worker")
def test_report_is_made_by_jobs_and_in_the_request_with_the_same_sums(
    browse: Browse, tmp_path: Path
) -> None:
    page = browse("reports/")
    page.get_by_role("button", name="Make it in this request").click()
    expect(page.get_by_role("status").first).to_contain_text("kept you waiting")
    here = page.locator("p.sub").first.inner_text()
    assert faults(page) == []

    page.get_by_role("button", name="Have it made").click()
    expect(page.get_by_role("status").first).to_contain_text("Accepted in")
    expect(state(page)).to_have_text("succeeded")

    assert page.locator("p.sub").first.inner_text() == here
    for kind, opening in (("CSV", b"month,"), ("PDF", b"%PDF-")):
        with page.expect_download() as kept:
            page.get_by_role("link", name=f"Download {kind}").click()
        kept.value.save_as(tmp_path / kind)
        assert (tmp_path / kind).read_bytes().lower().startswith(opening.lower())
    assert faults(page) == []
    assert faults(browse("reports/")) == []


@pytest.mark.usefixtures("worker")
def test_link_that_is_too_old_says_where_a_new_one_is(browse: Browse, ground: FilesGround) -> None:
    page = browse("reports/")
    page.get_by_role("button", name="Have it made").click()
    expect(state(page)).to_have_text("succeeded")
    old = ground.site.ask(
        f"links.link_token(ReportFile.objects.filter(report={number_of(page)}).first())",
        imports=f"{MODELS}; from jost.reports import links; import time; now = time.time;"
        "time.time = lambda: now() - 3600",
    )
    browse.expect("410")

    go(page, f"reports/files/{old}/")

    expect(page.get_by_role("heading", level=1)).to_have_text("Link too old")
    assert faults(page) == []
    page.get_by_role("main").get_by_role("link", name="Reports").click()
    expect(page.locator("#rows")).to_be_visible()


@pytest.mark.usefixtures("worker")
def test_report_of_the_day_is_listed_and_mailed_to_the_staff(
    browse: Browse, ground: FilesGround
) -> None:
    boss = ("--username", "boss", "--email", "boss@example.com")
    ground.site.manage("createsuperuser", "--noinput", *boss)
    ground.ask("daily.ask_for_missing()")
    page = browse("reports/")
    page.get_by_role("link", name="Report of the day").click()

    expect(state(page)).to_have_text("succeeded")
    assert faults(page) == []
    eventually(lambda: ground.outside.totals("mail").get("effects") == 1, told="the mail is sent")


def test_days_that_make_no_period_are_refused(browse: Browse) -> None:
    browse.expect("422")
    page = browse("reports/", width=NARROW)
    page.get_by_label("First day").fill("2026-05-02")
    page.get_by_label("Last day").fill("2026-05-01")
    page.get_by_role("button", name="Have it made").click()

    expect(page.get_by_role("alert").last).to_contain_text("before the first")
    assert violations(page) == []


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize("theme", THEMES)
def test_upload_by_keys(browse: Browse, theme: str) -> None:
    page = browse("imports/", theme=theme)
    page.get_by_label("CSV file").set_input_files(
        {"name": "keys.csv", "mimeType": "text/csv", "buffer": FEW.encode()}
    )
    page.get_by_label("CSV file").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")

    expect(page.get_by_role("heading", level=1)).to_have_text("keys.csv")
