"""RabbitMQ: tickets with confirms, sent, run and healed. No wheel brings one: it is part of `make test-brokers`."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from kombu import Queue

from holdfast.broker.publisher import Unavailable
from holdfast.testing.services import RabbitServer
from holdfast.tickets import Ticket
from holdfast.worker.leaving import EXIT_STALLED
from tests.brokers.asked import needs
from tests.brokers.conftest import Tell
from tests.brokers.jobs import assert_ended, send_of_each_kind
from tests.eventually import eventually
from tests.harness import Site, new_site

pytestmark = needs("rabbitmq")
LONGEST_CALL = 1.0


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def site(rabbit: RabbitServer, request: pytest.FixtureRequest) -> Iterator[Site]:
    """One site for each database: its queues are its own, by a prefix of their names."""
    celery = {"task_default_queue": f"jobs-{request.param}", "task_queue_max_priority": 9}
    with new_site(str(request.param), request, broker_url=rabbit.url, celery=celery) as site:
        yield site


@pytest.fixture(autouse=True)
def emptied(site: Site) -> Iterator[None]:
    site.empty()
    yield
    site.kill_workers()
    _purge(site)


def _queue(site: Site) -> str:
    return str(site.celery["task_default_queue"])


def _waiting(site: Site) -> int:
    found = site.app.outbox.publisher.waiting(_queue(site))
    assert found is not None
    return found


def _purge(site: Site) -> None:
    with site.app.connection_for_write() as connection:
        connection.default_channel.queue_purge(_queue(site))


def _send(site: Site, count: int, seconds: float = 0.0) -> int:
    return len(site.task("effect").apply_many([(f"job {n}", seconds) for n in range(count)]))


def _assert_all_ran(site: Site, count: int) -> None:
    site.wait_all_final(60)
    assert site.counts() == {"succeeded": count}


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_jobs_of_each_kind_end_on_rabbitmq(site: Site, pool: str) -> None:
    site.worker(pool=pool, queues=_queue(site))
    assert_ended(site, send_of_each_kind(site))
    eventually(lambda: _waiting(site) == 0)


def test_most_urgent_job_is_fetched_first(site: Site) -> None:
    for priority in (0, 9, 3, 6, 9, 0):
        site.task("effect").apply_async((f"{priority}",), priority=priority)
    site.worker("--prefetch-multiplier=1", concurrency=1, queues=_queue(site))
    site.wait_all_final(20)

    starts = [line.split()[1] for line in site.effects() if line.startswith("start")]
    assert starts == ["9", "9", "6", "3", "0", "0"]


def test_ticket_counts_as_published_once_rabbitmq_has_confirmed_it(site: Site, tell: Tell) -> None:
    queue = _queue(site)
    publisher = site.app.outbox.publisher
    count = 1200
    began = time.monotonic()
    assert _send(site, count) == count
    tell(f"{count} jobs recorded and confirmed in {time.monotonic() - began:.2f} s")
    # Not eventually: they are there when the call returns.
    assert _waiting(site) == count
    began = time.monotonic()
    for _ in range(50):
        publisher.publish([Ticket("nobody's", 1, "no.task", queue, 0)])
    tell(f"one ticket confirmed in {(time.monotonic() - began) / 50 * 1e3:.2f} ms")

    # A queue that somebody deleted is declared again, and nothing goes to nowhere.
    with site.app.connection_for_write() as connection:
        connection.default_channel.queue_delete(queue)
    publisher.publish([Ticket("nobody's", 2, "no.task", queue, 0)])
    assert _waiting(site) == 1

    # One that takes no more says so, and the tickets are not taken for published.
    full = Queue("full", queue_arguments={"x-max-length": 1, "x-overflow": "reject-publish"})
    site.app.amqp.queues.add(full)
    tickets = [Ticket(f"nobody's {n}", 1, "no.task", "full", 0) for n in range(3)]
    with pytest.raises(Unavailable) as refused:
        publisher.publish(tickets)
    assert list(refused.value.rest) == tickets
    eventually(lambda: publisher.available)


@pytest.mark.chaos
def test_killed_worker_on_rabbitmq_loses_nothing(site: Site) -> None:
    worker = site.worker(queues=_queue(site))
    count = _send(site, 120, 0.02)
    eventually(lambda: len(site.effects()) > 20, within=20)
    worker.kill()

    site.worker(queues=_queue(site))

    _assert_all_ran(site, count)


def test_worker_on_rabbitmq_whose_loop_is_blocked_ends_with_its_code(site: Site) -> None:
    worker = site.worker(
        *("-I", "tests.project.hanging"),
        queues=_queue(site),
        environment={"HOLDFAST_CANARY_SECONDS": "1", "HOLDFAST_STALL_SECONDS": "4"},
    )
    _send(site, 3)
    site.wait_all_final(60)

    row = worker.lease()
    assert row is not None
    site.app.control.broadcast(
        "hang", arguments={"how": "is_blocked"}, destination=[row.name], reply=False
    )

    assert worker.wait(60) == EXIT_STALLED
    assert worker.log_text().count("its event loop does not turn") == 2


@pytest.mark.chaos
def test_purged_queue_loses_none_of_its_jobs(site: Site) -> None:
    count = _send(site, 300)
    site.worker(queues=_queue(site))
    eventually(lambda: len(site.effects()) > 20, within=20, every=0.001)

    _purge(site)

    _assert_all_ran(site, count)


@pytest.mark.chaos
def test_job_whose_message_is_lost_from_a_queue_that_is_never_empty_is_published_again(
    site: Site,
) -> None:
    queue = _queue(site)
    lost = site.task("effect").delay("lost")
    _purge(site)
    gate = site.directory / f"gate {queue}"
    others = site.task("wait_for_file").apply_many([(str(gate), f"other {n}") for n in range(40)])
    site.worker("--prefetch-multiplier=1", concurrency=2, queues=queue)
    site.await_effect("start other 1")
    # Overtaken by those that run now; a second lot, published once the grace is over, shows it.
    gate.touch()

    def trickle() -> bool:
        site.task("effect").apply_many([("more", 0.05)] * 8)
        assert _waiting(site) > 0 or lost.ready()
        return lost.ready()

    eventually(trickle, within=30, every=0.1, told="the lost job ran")
    assert site.effect_counts()["end lost"] == 1
    assert len(others) == 40


def test_messages_that_nobody_can_run_leave_room_for_those_that_follow(site: Site) -> None:
    queue = _queue(site)
    site.worker("--prefetch-multiplier=1", concurrency=1, queues=queue)
    for _ in range(4):
        # Not accepted here, not registered here, and not a ticket that stands.
        site.task("effect").apply_async(("pickled",), serializer="pickle")
        site.app.send_task("nobody.knows.it")
        site.app.outbox.publisher.publish([Ticket("nobody's", 1, "no.task", queue, 0)])
    last = site.task("effect").delay("last")
    assert last.get(timeout=20) == "last"
    site.wait_all_final(20)
    assert site.counts() == {"dead": 8, "succeeded": 1}


@pytest.mark.alone
@pytest.mark.chaos
def test_restarted_broker_loses_no_job_and_holds_up_no_call(
    site: Site, rabbit: RabbitServer, tell: Tell
) -> None:
    worker = site.worker(queues=_queue(site))
    count = _send(site, 200, 0.02)
    eventually(lambda: len(site.effects()) > 20, within=20)

    rabbit.kill()
    longest = 0.0
    for _ in range(20):
        longest = max(longest, _timed_call(site))
    rabbit.start()
    back = time.monotonic()
    eventually(lambda: "held" not in site.counts(), within=10, told="all is published")
    tell(f"longest call {longest * 1e3:.0f} ms, published {time.monotonic() - back:.1f} s after")

    _assert_all_ran(site, count + 20)
    assert worker.running
    assert longest <= LONGEST_CALL


def _timed_call(site: Site) -> float:
    began = time.monotonic()
    site.task("noop").delay()
    return time.monotonic() - began


def test_call_after_a_restart_that_nobody_noticed_is_published_at_once(
    site: Site, rabbit: RabbitServer
) -> None:
    site.task("noop").delay()
    rabbit.restart()
    sent = site.task("noop").delay()
    assert site.states()[sent.id] == "queued"
    assert site.app.outbox.publisher.available
