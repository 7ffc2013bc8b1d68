"""Log lines say whose they are, for people and as JSON, and files are turned over by whoever finds them full."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from celery._state import _task_stack
from django.apps import apps
from django.http import HttpRequest, HttpResponse

import holdfast
from holdfast import correlation, logs
from holdfast.exceptions import ConfigurationError
from holdfast.logs import configuring, guids, middleware
from tests.processes import ROOT

JOB = "0190-job"


@contextmanager
def inside(**request: Any) -> Iterator[None]:
    """Be in the body of a job."""
    app = holdfast.Celery("logs", broker="memory://", set_as_current=False)

    @app.task(name="shop.charge", shared=False)
    def charge() -> None: ...

    task = app.tasks["shop.charge"]
    task.push_request(**{"id": JOB, "root_id": "0190-root", "holdfast": {"attempt": 2}} | request)
    _task_stack.push(task)
    try:
        yield
    finally:
        _task_stack.pop()
        task.pop_request()
        app.close()


def record(message: str = "charged %s", *args: Any, name: str = "shop", **more: Any) -> Any:
    made = logging.LogRecord(name, logging.INFO, __file__, 1, message, args or ("EUR 3",), None)
    vars(made).update(more)
    return made


def as_json(made: logging.LogRecord) -> dict[str, Any]:
    line = logs.JsonFormatter().format(made)
    assert "\n" not in line
    read: dict[str, Any] = json.loads(line)
    return read


def test_line_inside_a_body_has_its_job_attempt_and_correlation() -> None:
    with inside(headers={correlation.CORRELATION: "request-7"}):
        line = logs.LineFormatter().format(record())
        read = as_json(record())
    assert line.endswith(f" INFO shop [shop.charge {JOB} #2 request-7]: charged EUR 3")
    assert (read["task"], read["job"], read["attempt"]) == ("shop.charge", JOB, 2)
    assert (read["correlation"], read["message"]) == ("request-7", "charged EUR 3")


def test_job_without_an_id_of_a_request_has_that_of_its_tree() -> None:
    with inside(headers=None):
        assert logs.job_fields()["correlation"] == "0190-root"
        with logs.correlated("import-7"):
            assert logs.job_fields()["correlation"] == "import-7"


def test_line_outside_of_all_jobs_has_none_of_it() -> None:
    assert logs.LineFormatter().format(record()).endswith(" INFO shop: charged EUR 3")
    assert not {"task", "job", "attempt", "correlation"} & as_json(record()).keys()
    with logs.correlated("request-7"):
        assert as_json(record())["correlation"] == "request-7"


def test_lines_about_a_job_name_it_where_no_body_runs() -> None:
    said = {"id": JOB, "name": "shop.charge", "args": "('secret',)", "kwargs": "{}"}
    received = record("Task %(name)s[%(id)s] received", said, name="celery.app.log", data=said)
    read = as_json(received)
    assert (read["task"], read["job"]) == ("shop.charge", JOB)
    assert "secret" not in json.dumps(read)
    ours = record("Job %s (%s): %s", JOB, "shop.charge", "is gone", name="holdfast.attempt")
    assert (as_json(ours)["task"], as_json(ours)["job"]) == ("shop.charge", JOB)
    theirs = record("Job %s is new", "of a paper", name="shop.careers")
    assert "job" not in as_json(theirs)


def test_json_has_the_error_and_what_a_line_brings_itself() -> None:
    try:
        raise ValueError("a\nb")
    except ValueError:
        made = record(order=7, thing=object(), exc_info=sys.exc_info())
    read = as_json(made)
    assert (read["error"], read["order"]) == ("ValueError", 7)
    assert "ValueError: a\nb" in read["traceback"]
    assert read["thing"].startswith("<object object")

    class Broken:
        def __str__(self) -> str:
            raise RuntimeError("no words")

    assert "no words" in as_json(record(thing=Broken()))["thing"]


def test_config_refuses_levels_that_are_none() -> None:
    with pytest.raises(ConfigurationError, match="level is 'LOUD': it must be the name of a level"):
        logs.config(level="LOUD")
    with pytest.raises(ConfigurationError, match=r"loggers\['kombu'\] is 'quiet'"):
        logs.config(loggers={"kombu": "quiet"})


@pytest.mark.parametrize("size", ["50MB", -1, 1.5, None, True])
def test_config_refuses_sizes_that_are_none(size: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"file_bytes is .* whole number"):
        logs.config(file="jobs.log", file_bytes=size)
    with pytest.raises(ConfigurationError, match=r"file_count is .* whole number"):
        logs.config(file="jobs.log", file_count=size)


def test_only_a_logging_of_ours_is_kept_in_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    from celery import signals

    monkeypatch.setattr(signals.setup_logging, "receivers", [])
    configuring.keep_in_workers({"version": 1, "filters": {}})
    configuring.keep_in_workers(None)
    assert not signals.setup_logging.receivers
    configuring.keep_in_workers(logs.config())
    assert signals.setup_logging.receivers


_SAY = """
import logging.config, sys
from holdfast import logs
logging.config.dictConfig(logs.config(json=True, file=sys.argv[1], file_bytes=4000, file_count=500))
for number in range(int(sys.argv[3])):
    logging.getLogger("shop").info("%s %d %s", sys.argv[2], number, "x" * 40)
"""


def test_file_written_by_many_processes_is_turned_over_without_losing_a_line(
    tmp_path: Path,
) -> None:
    file = tmp_path / "new folder" / "jobs.log"
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", _SAY, str(file), name, "200"], cwd=ROOT, stderr=subprocess.PIPE
        )
        for name in "abc"
    ]
    for writer in writers:
        _, said = writer.communicate(timeout=60)
        assert writer.returncode == 0, said.decode()
    files = [one for one in file.parent.iterdir() if one.suffix != ".lock"]
    lines = [json.loads(line) for one in files for line in one.read_text().splitlines()]
    found = Counter(tuple(line["message"].split()[:2]) for line in lines)
    assert found == {(name, str(number)): 1 for name in "abc" for number in range(200)}
    assert len(files) > 5
    # A process may write the line that it has begun while another turns the file over.
    assert max(one.stat().st_size for one in files) < 4000 + 3 * 400


def test_no_more_full_files_are_kept_than_asked_for(tmp_path: Path) -> None:
    handler = logs.SharedRotatingFileHandler(str(tmp_path / "a.log"), most_bytes=50, kept=2)
    handler.setFormatter(logging.Formatter("%(message)s"))
    for number in range(10):
        handler.emit(record("%d " + "x" * 50, number))
    handler.close()
    found = {one.name: one.read_text()[0] for one in tmp_path.iterdir() if one.suffix != ".lock"}
    assert found == {"a.log": "9", "a.log.1": "8", "a.log.2": "7"}


def test_file_that_another_process_has_just_turned_over_is_not_turned_over_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a.log"
    handler = logs.SharedRotatingFileHandler(str(file), most_bytes=5)
    file.write_text("of all")

    def wait_for_another(*_: Any) -> None:
        file.replace(tmp_path / "a.log.1")
        file.write_text("new")

    monkeypatch.setattr("holdfast.logs.files.fcntl.flock", wait_for_another)
    handler.emit(record("line"))
    handler.close()
    assert (tmp_path / "a.log.1").read_text() == "of all"
    assert file.read_text().startswith("new")


def request_with(**headers: str) -> HttpRequest:
    request = HttpRequest()
    request.META |= {f"HTTP_{name.upper()}": value for name, value in headers.items()}
    return request


def test_middleware_takes_the_id_of_a_request_or_makes_one() -> None:
    seen: list[str] = []

    def view(_: HttpRequest) -> HttpResponse:
        seen.append(correlation.correlation_id())
        return HttpResponse()

    async def view_async(request: HttpRequest) -> HttpResponse:
        return view(request)

    answer: Any = logs.CorrelationMiddleware(view)(request_with(x_request_id="request-7"))
    assert (seen[-1], answer["X-Correlation-ID"]) == ("request-7", "request-7")
    made: Any = logs.CorrelationMiddleware(view_async)(request_with(x_correlation_id="a/b"))
    assert asyncio.run(made)["X-Correlation-ID"] == seen[-1] == "a/b"
    assert correlation.correlation_id() == ""


@pytest.mark.parametrize("bad", ["", "two words", "x" * 129, "a\r\nSet-Cookie: b", "<b>"])
def test_id_that_could_do_harm_in_a_log_is_replaced(bad: str) -> None:
    found = middleware.id_of(request_with(x_correlation_id=bad))
    assert found != bad
    assert len(found) == 32


def test_sentry_is_told_of_the_job_and_only_where_there_is_one() -> None:
    """The network alone is a stub: what the SDK makes of an error is its own."""
    import sentry_sdk
    from sentry_sdk.envelope import Envelope
    from sentry_sdk.transport import Transport

    sent: list[Any] = []

    class Nowhere(Transport):
        def capture_envelope(self, envelope: Envelope) -> None:
            sent.append(envelope.get_event())

    logs.tag_sentry()
    logs.tag_sentry()
    with sentry_sdk.isolation_scope() as scope:
        scope.set_client(
            sentry_sdk.Client(
                "http://key@127.0.0.1:1/1", transport=Nowhere, default_integrations=False
            )
        )
        sentry_sdk.capture_message("outside")
        with inside(headers={correlation.CORRELATION: "request-7"}):
            sentry_sdk.capture_exception(ValueError("inside"))
    outside, found = sent
    assert not outside.get("tags")
    assert found["tags"] == {
        "holdfast.task": "shop.charge",
        "holdfast.job": JOB,
        "holdfast.attempt": "2",
        "holdfast.correlation": "request-7",
    }


def test_structlog_that_is_not_installed_is_said_where_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("holdfast.logs.configuring.find_spec", lambda _name: None)
    with pytest.raises(ConfigurationError, match=r"pip install 'holdfast\[structlog\]'"):
        logs.config(structlog=True)


def test_structlog_and_the_standard_library_write_alike() -> None:
    said = _in_a_process(
        """
import structlog
structlog.get_logger("shop").info("charged", order=7)
logging.getLogger("shop").warning("charged %s", "again")
""",
        json="True",
    )
    first, second = (json.loads(line) for line in said.splitlines())
    assert (first["event"], first["order"], first["level"]) == ("charged", 7, "info")
    assert (second["event"], second["level"]) == ("charged again", "warning")
    assert first["correlation"] == second["correlation"] == "import-7"
    assert "charged" in _in_a_process("logging.getLogger('shop').warning('charged')", json="False")


def _in_a_process(code: str, *, json: str) -> str:
    """Run code in a process whose logging structlog writes; return what it wrote."""
    prelude = f"""
import logging.config
from holdfast import logs
logging.config.dictConfig(logs.config(structlog=True, json={json}))
with logs.correlated("import-7"):
"""
    body = "".join(f"    {line}\n" for line in code.strip().splitlines())
    done = subprocess.run(
        [sys.executable, "-c", prelude + body],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_id_of_a_request_is_that_of_django_guid_where_it_is_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    django_guid = pytest.importorskip("django_guid", reason="it does not allow Django 6 yet")
    monkeypatch.setattr(correlation, "foreign", None)
    monkeypatch.setattr(correlation, "tell_foreign", None)
    guids.follow_if_there()
    assert correlation.foreign is None
    monkeypatch.setattr(apps, "is_installed", lambda name: name == "django_guid")
    guids.follow_if_there()
    django_guid.set_guid("request-7")
    assert correlation.correlation_id() == "request-7"
    with correlation.correlated("of a job"):
        assert correlation.correlation_id() == django_guid.get_guid() == "of a job"
    assert not django_guid.get_guid()
