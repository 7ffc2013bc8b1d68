"""Base classes, mixins and class-based tasks work as in Celery; a class that would go around the ledger is refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from celery import Task

from holdfast import Celery
from holdfast.exceptions import ConfigurationError
from tests.eventually import eventually
from tests.harness import Site, new_site


@pytest.fixture(scope="module", params=["sqlite-prefork", "postgres-threads"])
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    database, _, pool = str(request.param).partition("-")
    with new_site(database, request) as site:
        site.worker(pool=pool)
        yield site


@pytest.mark.parametrize(
    ("task", "argument", "hooks"),
    [
        ("tests.audited", "return", ["before_start", "call", "on_success", "after_return SUCCESS"]),
        (
            "tests.audited",
            "raise",
            ["before_start", "call", "on_failure ValueError", "after_return FAILURE"],
        ),
        (
            "tests.audited",
            "retry",
            [
                *("before_start", "call", "on_retry"),
                *("before_start", "call", "on_success", "after_return SUCCESS"),
            ],
        ),
        ("tests.classy", 21, ["before_start", "call", "run", "on_success", "after_return SUCCESS"]),
    ],
)
def test_hooks_are_called_in_celerys_order(
    site: Site, task: str, argument: Any, hooks: list[str]
) -> None:
    site.empty()
    sent = site.app.send_task(task, (argument,))
    sent.get(timeout=60, propagate=False)
    site.wait_all_final()

    eventually(lambda: len(site.effects()) >= len(hooks))
    seen = [line.replace(f" {sent.id}", "") for line in site.effects()]
    # The retry is recorded before on_retry is called, so another process may have begun it by then.
    assert seen.count("on_retry") == hooks.count("on_retry")
    assert [hook for hook in seen if hook != "on_retry"] == [
        hook for hook in hooks if hook != "on_retry"
    ]


def test_mixin_reads_the_headers_of_the_attempt(site: Site) -> None:
    sent = site.app.send_task("tests.tenant", headers={"tenant": "acme"})

    assert sent.get(timeout=60) == "acme"


EARLY = {
    "ignore": ("succeeded", 1),
    "reject": ("dead", 1),
    "raise": ("failed", 1),
    "retry": ("succeeded", 2),
    "go on": ("succeeded", 1),
}
AROUND = {
    "return": ("succeeded", 1),
    "raise": ("failed", 1),
    "ignore": ("succeeded", 1),
    "reject": ("dead", 1),
    "reject, requeue": ("succeeded", 2),
    "retry": ("succeeded", 2),
    "retry, no throw": ("succeeded", 2),
    "replace": ("succeeded", 1),
    "replace by chain": ("succeeded", 1),
}


@pytest.mark.short_on("postgres")
def test_leaving_before_or_around_the_ledgers_call_ends_the_attempt_once(site: Site) -> None:
    site.empty()
    sent = {how: site.app.send_task("tests.leaving", (how,)).id for how in EARLY}
    around = {how: site.app.send_task("tests.around", (how,)).id for how in AROUND}
    site.wait_all_final()
    # Nobody starts any of them again afterwards: two looks of the audit pass meanwhile.
    site.app.send_task("tests.classy", (1,), countdown=3).get(timeout=60)

    states, counts = site.states(), site.effect_counts()
    found = {how: (states[id], counts[f"before_start {id}"]) for how, id in sent.items()}
    assert found == EARLY
    found = {how: (states[id], counts[f"start around {how}"]) for how, id in around.items()}
    assert found == AROUND


def test_call_without_super_is_refused_at_registration_with_the_repair() -> None:
    class Silent(Task):  # type: ignore[misc]  # untyped in celery
        abstract = True

        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            return self.run(*args, **kwargs)

    def body() -> int:
        return 7

    app = Celery("refusing", set_as_current=False, broker="memory://")
    with pytest.raises(ConfigurationError, match=r"super\(\).__call__"):
        app.task(base=Silent, name="refused", lazy=False, shared=False)(body)

    kept = app.task(base=Silent, name="kept", durable=False, lazy=False, shared=False)(body)
    assert kept() == 7


def test_class_of_a_registered_task_may_be_built_on() -> None:
    app = Celery("built on", set_as_current=False, broker="memory://")

    class First(app.Task):  # type: ignore[misc,name-defined]  # made at run time
        name = "first"

        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            return super().__call__(*args, **kwargs) + 1

        def run(self) -> int:
            return 1

    assert app.register_task(First())() == 2

    class Second(First):
        name = "second"

    assert app.register_task(Second())() == 2


def test_app_wide_base_class_gets_the_ledger_below_it() -> None:
    class Base(Task):  # type: ignore[misc]  # untyped in celery
        abstract = True

    app = Celery("based", set_as_current=False, broker="memory://", task_cls=Base)

    @app.task(name="based", lazy=False, shared=False)
    def task() -> None:
        pass

    assert isinstance(task, Base)
    assert hasattr(task, "apply_many")
