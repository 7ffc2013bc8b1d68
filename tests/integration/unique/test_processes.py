"""Unique jobs of real processes: producers that race and die, and workers that are killed while they hold a key."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.eventually import eventually
from tests.harness import Site
from tests.integration.unique.jobs import keys
from tests.processes import SiteProcess
from tests.project import syncing
from tests.project.syncing import export, sync

KEYS = 12
PRODUCER = """
from contextlib import nullcontext
from threading import Thread
from django.db import connections, transaction
from holdfast.ledger.database import alias
from tests.project.syncing import sync

number, go, calls = sys.argv[1], sys.argv[2], int(sys.argv[3])
print("ready", flush=True)
while not os.path.exists(go):
    time.sleep(0.001)

def send(step):
    # Half of the callers take the keys the other way round, and open no transaction themselves.
    for key in range(calls)[::step]:
        with transaction.atomic(using=alias()) if step > 0 else nullcontext():
            # In one write: two threads share the line.
            print(f"sent {key} {sync.delay(key, number).id}\\n", end="", flush=True)
    connections.close_all()

threads = [Thread(target=send, args=(step,)) for step in (1, -1)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""
DYING_PRODUCER = """
from django.db import transaction
from holdfast.ledger.database import alias
from tests.project.syncing import sync

with transaction.atomic(using=alias()):
    print("recorded", sync.delay(1).id, flush=True)
    time.sleep(60)
"""


def said(process: SiteProcess, word: str) -> list[list[str]]:
    """Return what follows a word in the lines of a process."""
    lines = (line.split() for line in process.log_text().splitlines())
    return [line[1:] for line in lines if line[:1] == [word]]


def test_many_producers_at_once_make_one_job(site: Site, tmp_path: Path) -> None:
    go = tmp_path / "go"
    producers = [site.process(PRODUCER, str(n), str(go), str(KEYS)) for n in range(3)]
    for producer in producers:
        producer.await_line("ready")
    go.touch()
    for producer in producers:
        assert producer.wait(60) == 0, producer.log_tail()

    answers = [(key, id) for producer in producers for key, id in said(producer, "sent")]
    assert len(answers) == KEYS * len(producers) * 2
    assert len(set(answers)) == KEYS
    assert {id for _, id in answers} == set(site.jobs())
    assert len(keys(site)) == KEYS


def test_producer_killed_before_its_commit_leaves_the_key_free(site: Site) -> None:
    producer = site.process(DYING_PRODUCER)
    producer.await_line("recorded")
    producer.kill()

    result = sync.delay(1)
    assert list(site.jobs()) == [result.id]
    assert [result.id] not in said(producer, "recorded")


@pytest.mark.short_on("postgres")
def test_job_of_a_killed_worker_keeps_its_key_and_is_rescued(site: Site) -> None:
    include = f"--include={syncing.__name__}"
    victim = site.worker(include, concurrency=1)
    result = export.delay(1, 2.5)
    eventually(lambda: site.effects() == ["begin 1"], told="it runs")
    victim.kill()
    assert export.delay(1).id == result.id

    site.worker(include, pool="threads", concurrency=1)
    eventually(lambda: len(site.effects()) == 2, told="it runs again")
    assert export.delay(1).id == result.id, (
        "the job is rescued, and is still the one that has the key"
    )
    assert result.get(timeout=60) == "exported 1"
    assert export.delay(1).id != result.id
    assert set(site.wait_all_final().values()) == {"succeeded"}
    assert site.effect_counts() == {"begin 1": 3, "end 1": 2}
