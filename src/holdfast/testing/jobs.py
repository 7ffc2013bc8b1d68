"""What tests of a project hold in their hands: `HoldfastJobs`, and the same as a mixin for unittest's classes."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime, timedelta
from typing import Any, Self

from celery.app import app_or_default
from django.core import mail

from holdfast.exceptions import ConfigurationError, HoldfastError
from holdfast.ledger import rehearsal
from holdfast.testing import clock
from holdfast.testing.drain import drain
from holdfast.testing.nowhere import sending_nowhere
from holdfast.testing.recorded import RecordedJob, Wanted, job_of, name_of, report
from holdfast.testing.transaction import depth, refuse_blocks_of_the_test, waiting_hooks


class HoldfastJobs:
    """The jobs of one test: what was recorded, and what becomes of it. Needs a database; no Redis, no worker.

    Use it in a with statement: inside, no message leaves the process, calls with `durable=False` included, and
    `CELERY_TASK_ALWAYS_EAGER` is off. The rows are real ones of the ledger, in the transaction that is open. They go
    with the test's transaction, or with Django's flush after a test that has none.

    Args:
        app: the project's Celery app, if it is not the current one.

    Raises:
        ConfigurationError: the app is not a `holdfast.Celery`.
        HoldfastError: this is no test: Django's test environment is not set up.
    """

    def __init__(self, app: Any = None) -> None:
        self._app = app
        self._stack = ExitStack()
        self._depth = 0

    def __enter__(self) -> Self:
        _refuse_outside_of_tests()
        self._app = _ledger_app(self._app)
        with ExitStack() as stack:
            stack.enter_context(sending_nowhere(self._app))
            self._depth = depth()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def recorded(self, task: Any = None) -> list[RecordedJob]:
        """Return the recorded jobs, of one task or of all, the oldest first; finished ones are among them.

        Args:
            task: the task or its name.
        """
        name = None if task is None else name_of(task)
        return [job for job, _ in self._all() if name is None or job.task == name]

    def assert_recorded(
        self,
        task: Any,
        *,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        count: int | None = None,
        queue: str | None = None,
        eta: datetime | timedelta | None = None,
        within: timedelta = timedelta(seconds=10),
    ) -> list[RecordedJob]:
        """Assert that a task was called, and return its jobs. What is left out may be anything.

        Args:
            task: the task or its name.
            args: its positional arguments, all of them; compared after the serializer has had them.
            kwargs: the same for its keyword arguments.
            count: exactly so many such jobs; at least one if left out.
            queue: the queue it was sent to.
            eta: when it is due: an aware datetime, or a timedelta from now. A job that is due has none.
            within: how far from `eta` it may be.

        Raises:
            AssertionError: says what was recorded in its place, and in what it differs.
        """
        wanted = Wanted(task=task, args=args, kwargs=kwargs, queue=queue, eta=eta, within=within)
        everything = self._all()
        found = [
            job
            for job, content_type in everything
            if job.task == name_of(task) and not any(wanted.differences(job, content_type))
        ]
        if (not found) if count is None else (len(found) != count):
            raise AssertionError(
                report(wanted, count=count, jobs=everything, hints=self._hints(task))
            )
        return found

    def assert_not_recorded(
        self,
        task: Any = None,
        *,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        queue: str | None = None,
    ) -> None:
        """Assert that a task was not called, or not with these; without a task, that nothing was.

        Raises:
            AssertionError: says what was recorded.
        """
        if task is not None:
            self.assert_recorded(task, args=args, kwargs=kwargs, queue=queue, count=0)
        elif found := self.recorded():
            lines = [f"  {number}. {job}" for number, job in enumerate(found, start=1)]
            raise AssertionError("\n".join(["Expected that nothing is recorded:", *lines]))

    def drain(
        self, *, raise_errors: bool = True, rounds: int = 100, skip_waits: bool = False
    ) -> int:
        """Run every job that is due, here and now, and those that become due by that; return the number of attempts.

        Each goes a worker's way: claimed in the ledger, its arguments decoded, run by Celery's tracer, ended in the
        ledger with its links, chain or chord, which run in the next round. A retry with a countdown waits for its time.

        Args:
            raise_errors: raise the error of the first job that fails, with a note that names the job. What is
                due then stays due: call again to go on. False: leave errors to the rows, as a worker does.
            rounds: how often to look for what has become due.
            skip_waits: travel to the next job that waits for its time when nothing is due, until none waits.

        Raises:
            JobDied: a job cannot be run: it was rejected, its task is unknown, its workers died too often, ...
            NeverEmpty: after so many rounds jobs are still due.
            HoldfastError: a transaction is open that the test began itself.
        """
        refuse_blocks_of_the_test(allowed=self._depth)
        return drain(self._app, raise_errors=raise_errors, rounds=rounds, skip_waits=skip_waits)

    def travel(self, by: timedelta) -> None:
        """Let time pass for the jobs that are recorded: what waits for an hour is due after an hour's travel.

        It is the rows that move: `due_at` and `expires_at` of what is not finished. Clocks stay as they are.

        Raises:
            ValueError: the time is not positive.
        """
        clock.travel(by)

    def clear(self) -> None:
        """Forget every job that is recorded, as if it had never been: none of them runs any more."""
        rehearsal.erase()

    def _all(self) -> list[tuple[RecordedJob, str]]:
        return [(job_of(row, self._app), row.message.content_type) for row in rehearsal.rows()]

    def _hints(self, task: Any) -> list[str]:
        hints = []
        name = name_of(task)
        known = self._app.tasks.get(name)
        if known is None and isinstance(task, str):
            near = difflib.get_close_matches(name, self._app.tasks, n=1)
            hints.append(
                f"No task {name} is registered" + (f": did you mean {near[0]}?" if near else ".")
            )
        elif known is not None and known.durable is False:
            hints.append(f"{name} has durable=False: its calls are plain Celery, never recorded.")
        if hooks := waiting_hooks():
            hints.append(
                f"The test's transaction has gathered {hooks} on_commit hooks, and a test case does not run them. If "
                "one of them makes the call, put captureOnCommitCallbacks(execute=True) around what is tested."
            )
        return hints


class HoldfastJobsMixin:
    """Gives a `django.test.TestCase` its `self.holdfast_jobs`; put it before the test case among the bases."""

    holdfast_jobs: HoldfastJobs

    def setUp(self) -> None:
        """Watch the jobs of this test, until after its tearDown."""
        jobs = HoldfastJobs()
        self.holdfast_jobs = jobs.__enter__()
        self.addCleanup(jobs.__exit__)  # type: ignore[attr-defined]  # of the test case it is mixed into
        super().setUp()  # type: ignore[misc]  # the same


def _ledger_app(app: Any) -> Any:
    app = app_or_default(app)
    if not hasattr(app, "outbox"):
        raise ConfigurationError(
            f"{app!r} records nothing: it is no holdfast.Celery. Write 'from holdfast import Celery' where the app is "
            "made, and import it in the project's __init__.py, or give the app: HoldfastJobs(app)."
        )
    return app


def _refuse_outside_of_tests() -> None:
    # Set by setup_test_environment(), which every runner of Django tests calls.
    if not hasattr(mail, "outbox"):
        raise HoldfastError(
            "HoldfastJobs deletes and moves the jobs of the database it finds, so it works in tests only. Run it by "
            "manage.py test or pytest with pytest-django, or call django.test.utils.setup_test_environment() first."
        )
