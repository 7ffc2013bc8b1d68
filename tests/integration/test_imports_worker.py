"""Imports on real workers that are killed: each row of the file is in the database once, and no other."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from holdfast.testing.services import RedisServer
from tests.eventually import eventually
from tests.jost_site import JostSite

pytestmark = [pytest.mark.slow, pytest.mark.short_on("postgres")]

IMPORTS = (
    "from django.core.files.uploadedfile import SimpleUploadedFile as Upload;"
    "from celery.result import AsyncResult; from django.db.models import Min, Max;"
    "from jost.imports import services, tasks;"
    "from jost.imports.models import Contact, Import, RowError"
)
# Every so many rows one is wrong.
WRONG_EVERY = 1000


@contextmanager
def desk(directory: Path, redis: Path, database_url: str) -> Iterator[JostSite]:
    with (
        RedisServer(redis) as server,
        JostSite(directory, redis_url=server.url, database_url=database_url) as site,
    ):
        yield site


def upload(site: JostSite, *, rows: int, grace_seconds: int = 30) -> int:
    """Upload so many rows; return the number of their import."""
    path = site.directory / "contacts.csv"
    with path.open("w") as file:
        file.write("email,name,phone\n")
        for number in range(rows):
            address = "nobody" if number % WRONG_EVERY == 0 else f"person{number}@example.com"
            file.write(f"{address},Person {number},+49 30 {number:07}\n")
    began = f"services.begin(Upload('contacts.csv', open({str(path)!r}, 'rb').read()))"
    grace = f"services.GRACE_SECONDS = {grace_seconds}"
    return int(site.ask(f"{began}.pk", imports=f"{IMPORTS}; {grace}"))


def figures(site: JostSite) -> dict[str, Any]:
    asked = "Import.objects.values('state', 'imported', 'refused', 'job', 'reason').get()"
    values: dict[str, Any] = site.ask(asked, imports=IMPORTS)
    return values


def more_are_in(site: JostSite, *, than: int) -> int:
    """Wait until some more rows are in; return how many."""

    def imported() -> int:
        now = figures(site)
        assert now["state"] in ("waiting", "running"), now
        return now["imported"] if now["imported"] > than else 0

    return eventually(imported, within=120, told="rows come in", every=0.1)


def every_row_is_in_once(site: JostSite, *, rows: int, within: float = 120) -> None:
    eventually(
        lambda: figures(site)["state"] == "done",
        within=within,
        told="the import is done",
        every=0.5,
    )
    refused = -(-rows // WRONG_EVERY)
    # No line of contacts is there twice, by the table's own constraint; as many as there should be are all.
    counted = (
        "[Contact.objects.count(), Contact.objects.values('email').distinct().count(),"
        "RowError.objects.count(), *Contact.objects.aggregate(Min('line'), Max('line')).values()]"
    )
    found = site.ask(counted, imports=IMPORTS)
    assert found == [rows - refused, rows - refused, refused, 3, rows + 1]
    now = figures(site)
    assert (now["imported"], now["refused"]) == (rows - refused, refused)


@pytest.mark.parametrize(
    ("rows", "kills"), [(60_000, 2), pytest.param(1_000_000, 12, marks=pytest.mark.soak)]
)
def test_rows_are_imported_once_while_workers_are_killed(
    database_url: str,
    private_directory: Path,
    tmp_path: Path,
    rows: int,
    kills: int,
    record_property: Callable[[str, object], None],
) -> None:
    with desk(tmp_path, private_directory, database_url) as site:
        # A job that loses three workers is a dead letter: in the long form none is so long.
        site.environment["JOST_IMPORT_JOB_SECONDS"] = "60" if kills < 3 else "1"
        upload(site, rows=rows)
        began, reached = time.monotonic(), 0
        for _ in range(kills):
            victim = site.worker(pool="prefork", concurrency=1)
            reached = more_are_in(site, than=reached + rows // (kills + 2) // 2)
            victim.kill()
        site.worker(pool="prefork", concurrency=1)

        every_row_is_in_once(site, rows=rows, within=600)
        record_property("rows_per_second", round(rows / (time.monotonic() - began)))


@pytest.mark.short_on("postgres-threads")
@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_import_goes_from_job_to_job_is_cancelled_and_goes_on(
    database_url: str, private_directory: Path, tmp_path: Path, pool: str
) -> None:
    with desk(tmp_path, private_directory, database_url) as site:
        site.environment["JOST_IMPORT_JOB_SECONDS"] = "1"
        number = upload(site, rows=100_000)
        first = figures(site)["job"]
        site.worker(pool=pool, concurrency=1)
        eventually(lambda: figures(site)["job"] != first, told="a further job goes on", every=0.1)
        info = "AsyncResult(Import.objects.get().job).info"
        told = eventually(lambda: site.ask(info, imports=IMPORTS), told="progress", every=0.1)
        assert told["total"] == (tmp_path / "contacts.csv").stat().st_size

        assert site.ask(f"services.cancel({number})", imports=IMPORTS)
        stopped = figures(site)
        assert stopped["state"] == "cancelled"
        go_on = (
            "try:\n    done = services.go_on(Import.objects.get().pk)\n"
            "except services.StillStoppingError:\n    done = False\nimport json; print(json.dumps(done))"
        )
        again = f"{IMPORTS}\n{go_on}"
        eventually(
            lambda: site.manage("shell", "--verbosity", "0", "-c", again).strip() == "true",
            told="the job has stopped, and it goes on",
            every=0.2,
        )

        every_row_is_in_once(site, rows=100_000)
        assert figures(site)["imported"] > stopped["imported"]


def test_chunk_that_hangs_is_struck_by_the_soft_limit_and_a_further_job_goes_on(
    private_directory: Path, tmp_path: Path
) -> None:
    with desk(tmp_path, private_directory, "") as site:
        site.environment["DJANGO_SETTINGS_MODULE"] = "tests.hanging_chunks"
        site.environment["JOST_IMPORT_JOB_SECONDS"] = "1"
        upload(site, rows=10_000, grace_seconds=1)
        first = figures(site)["job"]
        site.worker(pool="prefork", concurrency=1)

        every_row_is_in_once(site, rows=10_000)
        assert (tmp_path / "has-hung").exists()
        told = f"[AsyncResult({first!r}).state, Import.objects.get().job != {first!r}]"
        assert site.ask(told, imports=IMPORTS) == ["SUCCESS", True]
