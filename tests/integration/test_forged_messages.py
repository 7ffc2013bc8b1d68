"""Messages made by hand in Redis: none of them runs, changes an argument, or ends the worker."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from holdfast.broker import messages
from holdfast.ledger.models.security import SecurityEvent
from holdfast.tickets import HEADER, Ticket
from tests import attacks
from tests.eventually import eventually
from tests.harness import Site, new_site

PLAIN = "tests.project.tasks.leave_plain"
DURABLE = "tests.project.tasks.effect"
MONTH = 30 * 86_400


class Scene:
    """A site with one worker and messages copied from its broker before the worker came."""

    def __init__(self, site: Site, *, mode: str, pool: str) -> None:
        self.site = site
        self.mode = mode
        self.client = site.redis()
        self.ticket, _ = self._copied(lambda: site.task("effect").delay("recorded"))
        _, self.honest = self._copied(lambda: site.task("leave_plain").delay("return", "copied"))
        self.worker = site.worker(pool=pool, environment={"HOLDFAST_UNSIGNED": mode})

    def put(self, items: Iterable[bytes]) -> int:
        """Put items on the list one by one, as they come."""
        return sum(bool(self.client.lpush("celery", item)) for item in items)

    def run_honest(self, name: str) -> None:
        """See that the worker lives, and has looked at all that was put on the list before."""
        self.site.task("leave_plain").delay("return", f"plain {name}")
        self.site.task("effect").delay(name)
        eventually(
            lambda: {f"end {name}", f"start plain {name}"} <= set(self.site.effects()),
            told=f"the honest jobs run\n{self.site.log_tails()}",
        )
        assert self.worker.running

    def noted(self) -> Counter[tuple[str, bool]]:
        """Count the messages that were noted, by what was wrong with them and whether they ran."""
        found: Counter[tuple[str, bool]] = Counter()
        for row in SecurityEvent.objects.using(self.site.alias):
            found[row.kind, row.accepted] += row.count
        return found

    def _copied(self, send: Any) -> tuple[Ticket, bytes]:
        id = send().id
        item = taken(self.client, "celery")
        headers = json.loads(item)["headers"]
        token = headers.get(HEADER, {}).get("token", 0)
        return Ticket(id, token, headers["task"], "celery", 0), item


def listed(client: redis.Redis, queue: str) -> list[bytes]:
    return [item for item in client.lrange(queue, 0, -1) if isinstance(item, bytes)]


def taken(client: redis.Redis, queue: str) -> bytes:
    """Take the one message of a list."""
    (item,) = listed(client, queue)
    client.delete(queue)
    return item


@pytest.fixture(
    scope="module",
    params=[
        ("sqlite", "refuse", "threads"),
        ("postgres", "refuse", "prefork"),
        ("sqlite", "warn", "prefork"),
        ("postgres", "accept", "threads"),
    ],
    ids="-".join,
)
def scene(request: pytest.FixtureRequest) -> Iterator[Scene]:
    kind, mode, pool = request.param
    with new_site(kind, request) as site:
        yield Scene(site, mode=mode, pool=pool)


@pytest.fixture(autouse=True)
def clean(scene: Scene) -> None:
    SecurityEvent.objects.using(scene.site.alias).all().delete()


@pytest.mark.short_on("sqlite-threads", "postgres-prefork")
def test_nothing_forged_runs_and_the_worker_runs_the_next_honest_job(
    scene: Scene, tmp_path: Path
) -> None:
    touched = tmp_path / "touched"
    forged = scene.put(attacks.altered(scene.honest, touched=touched))
    no_message = scene.put(attacks.garbage(scene.honest))
    scene.run_honest("after the forged ones")

    assert not touched.exists()
    assert "start forged" not in scene.site.effects()
    assert "start copied" not in scene.site.effects()
    eventually(
        lambda: sum(scene.noted().values()) == forged + no_message,
        told="all of them are noted",
    )
    assert not any(accepted for _, accepted in scene.noted())
    assert scene.noted()["malformed message", False] >= no_message


@pytest.mark.short_on("sqlite-prefork", "postgres-threads")
def test_altered_ticket_claims_nothing_and_its_job_runs_once_as_it_was_recorded(
    scene: Scene,
) -> None:
    waiting = scene.site.task("effect").apply_async(("not yet",), countdown=MONTH)
    early = Ticket(waiting.id, 1, DURABLE, "celery", 0)
    refused = scene.put(attacks.altered_tickets(scene.ticket, key="of somebody else"))
    scene.put(attacks.dressed_up(early))
    scene.put([messages.encode(Ticket("nobody's", 1, DURABLE, "celery", 0)).encode()])
    # Each is authentic, and all of them stand for one attempt of the one job.
    scene.put(attacks.dressed_up(scene.ticket))
    scene.put(attacks.dressed_up(scene.ticket))
    scene.run_honest("after the tickets")

    eventually(lambda: "end recorded" in scene.site.effects())
    counted = scene.site.effect_counts()
    assert counted["start recorded"] == counted["end recorded"] == 1
    assert scene.site.states(id=waiting.id) == {waiting.id: "held"}
    eventually(lambda: scene.noted()["unknown job", False] == 1, told="the unknown job is noted")
    assert scene.noted()["forged ticket", False] == refused


def test_unsigned_message_is_treated_as_the_setting_says(scene: Scene) -> None:
    posing = json.loads(attacks.message(DURABLE, "posing", id="posing"))
    posing["headers"][HEADER] = {"token": 1, "attempt": 1, "worker": "0" * 32}
    asked = [
        attacks.without_seal(scene.honest),
        attacks.message(PLAIN, "return", "without a seal"),
        attacks.message(DURABLE, "of a durable task"),
        json.dumps(posing).encode(),
    ]
    scene.put(asked)
    scene.run_honest("after the unsigned ones")

    names = ["copied", "without a seal", "of a durable task", "posing"]
    if scene.mode == "refuse":
        assert not [line for line in scene.site.effects() if line.partition(" ")[2] in names]
        eventually(lambda: scene.noted() == {("unsigned message", False): len(asked)})
        return
    eventually(
        lambda: {f"start {name}" for name in names} <= set(scene.site.effects()),
        told="they run as plain Celery",
    )
    expected = {("unsigned message", True): len(asked)} if scene.mode == "warn" else {}
    eventually(lambda: scene.noted() == expected, told="they are noted as the mode says")
    scene.site.effects_file.write_text("")


def test_unsigned_message_cannot_pose_as_the_attempt_that_runs(scene: Scene) -> None:
    sent = scene.site.task("effect").delay("its own", 1.0)
    eventually(lambda: "start its own" in scene.site.effects())
    row = scene.site.jobs()[sent.id]
    posing = json.loads(attacks.message("tests.project.tasks.add", 1, 1, id=sent.id))
    posing["headers"][HEADER] = {"token": row.token, "attempt": 1, "worker": str(row.worker)}
    scene.put([json.dumps(posing).encode()])
    scene.run_honest("after the one that poses")
    assert sent.get(timeout=60) == "its own"


def test_odd_message_ends_no_worker_in_any_mode(scene: Scene) -> None:
    scene.put(attacks.unsigned_and_odd(PLAIN))
    scene.run_honest("after the odd ones")
    assert "Unrecoverable error" not in scene.worker.log_tail(400)


def test_lost_job_is_published_again_beside_garbage_that_nobody_takes(scene: Scene) -> None:
    sent = scene.site.task("effect").apply_async(("lost",), queue="elsewhere")
    scene.client.delete("elsewhere")
    scene.client.lpush("elsewhere", *attacks.garbage(scene.honest))
    eventually(
        lambda: any(sent.id.encode() in item for item in listed(scene.client, "elsewhere")),
        told="its ticket is on the list again",
    )


def test_sealed_message_that_is_put_back_is_ours_and_a_killed_worker_loses_nothing_to_a_flood(
    scene: Scene, tmp_path: Path
) -> None:
    site = scene.site
    site.task("leave_plain").apply_async(("return", "put back"), queue="aside")
    with site.app.connection_for_read() as connection:
        channel = connection.channel()
        message = channel.basic_get("aside", no_ack=False)
        assert message is not None
        channel.basic_reject(message.delivery_tag, requeue=True)
        item = taken(scene.client, "aside")
    assert json.loads(item)["headers"]["redelivered"] is True
    # Moved to another list it is forged, whatever kombu noted on it.
    scene.put([item])
    scene.run_honest("after one was put back")
    assert "start put back" not in site.effects()

    # Killed in the middle of a flood; the next worker goes on with what is left of it, and with all jobs.
    flood = list(attacks.garbage(scene.honest)) + list(
        attacks.altered(scene.honest, touched=tmp_path)
    )
    sent = [site.task("effect").delay(f"amid {number}") for number in range(10)]
    scene.put(flood)
    scene.worker.kill()
    scene.put(flood)
    scene.client.lpush("aside", item)
    site.worker(queues="celery,aside", concurrency=2, environment={"HOLDFAST_UNSIGNED": "refuse"})
    eventually(lambda: "start put back" in site.effects(), told="it runs")
    ids = [result.id for result in sent]
    eventually(
        lambda: set(site.states(id__in=ids).values()) == {"succeeded"},
        told=f"every job is run\n{site.log_tails()}",
    )
    assert "start forged" not in site.effects()
