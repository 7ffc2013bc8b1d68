"""What is encrypted at rest: read with the right key wherever jobs are read, and with no other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from itertools import count
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command
from django.test import override_settings
from django.utils import timezone

from holdfast import Celery, dead_letters, vault
from holdfast.exceptions import CannotDecrypt, ConfigurationError
from holdfast.ledger.models import Attempt, Payload, Result
from holdfast.ledger.states import Reason
from holdfast.signatures import rows
from holdfast.testing import HoldfastJobs
from tests.dumps import dump
from tests.surroundings import current_app

OLD, NEW, OTHER = (Fernet.generate_key().decode() for _ in range(3))
SECRET = "swordfish"


@contextmanager
def keys(ledger: str, *some: str) -> Iterator[None]:
    with override_settings(HOLDFAST={"database": ledger, "encryption_keys": some}):
        yield


@pytest.fixture
def app(ledger: str) -> Iterator[Celery]:
    with current_app("redis://127.0.0.1:1/0") as app, keys(ledger, OLD):

        @app.task(name="secrets.whisper", shared=False, encrypt=True)
        def whisper(words: str, *, fail: bool = False) -> str:
            if fail:
                raise ValueError(words)
            return words

        @app.task(name="secrets.shout", shared=False)
        def shout(words: str) -> str:
            return words

        yield app


@pytest.fixture
def jobs(app: Celery) -> Iterator[HoldfastJobs]:
    with HoldfastJobs(app) as jobs:
        yield jobs


@pytest.fixture
def whisper(app: Celery) -> Any:
    return app.tasks["secrets.whisper"]


def test_arguments_and_result_are_read_by_name_and_by_nobody_else(
    ledger: str, app: Celery, jobs: HoldfastJobs, whisper: Any
) -> None:
    sent = whisper.delay(SECRET)
    by_call = app.tasks["secrets.shout"].apply_async((SECRET,), encrypt=True, argsrepr=SECRET)
    many = whisper.apply_many([(SECRET,), (SECRET,)])
    packed = whisper.apply_async((SECRET,), compression="gzip")
    assert SECRET not in dump(ledger)

    jobs.assert_recorded(whisper, args=(SECRET,), count=4)
    jobs.drain()

    assert SECRET not in dump(ledger)
    assert {result.get() for result in (sent, by_call, packed, *many)} == {SECRET}
    encodings = set(Payload.objects.using(ledger).values_list("content_encoding", flat=True))
    assert encodings == {f"utf-8+encrypted:{vault.newest()}"}


def test_failure_keeps_its_words_for_those_who_have_the_key(
    ledger: str, jobs: HoldfastJobs, whisper: Any
) -> None:
    sent = whisper.delay(SECRET, fail=True)
    jobs.drain(raise_errors=False)

    assert SECRET not in dump(ledger)
    with pytest.raises(ValueError, match=SECRET):
        sent.get()
    assert SECRET in str(sent.traceback)
    attempt = Attempt.objects.using(ledger).get()
    assert attempt.error == "ValueError"
    assert "in whisper" in attempt.traceback
    (letter,) = dead_letters.filter(error="ValueError")
    assert letter.fingerprint
    assert letter.args == [SECRET]


def test_job_whose_key_is_missing_is_dead_and_runs_once_the_key_is_back(
    ledger: str, jobs: HoldfastJobs, whisper: Any
) -> None:
    sent = whisper.delay(SECRET)
    with keys(ledger, NEW):
        jobs.drain(raise_errors=False)
        (letter,) = dead_letters.filter(reason=Reason.UNDECODABLE)
        assert "HOLDFAST['encryption_keys']" in letter.error
        assert "CannotDecrypt" in letter.hidden
    with keys(ledger, NEW, OLD):
        assert dead_letters.filter().replay(actor="ada") == 1
        jobs.drain()
        assert sent.get() == SECRET
    with keys(ledger, OLD), pytest.raises(CannotDecrypt, match="does not have"):
        whisper.AsyncResult(sent.id).get()


def test_rows_get_the_newest_key_in_batches_and_the_old_one_can_go(
    ledger: str, jobs: HoldfastJobs, whisper: Any
) -> None:
    waiting = whisper.delay(SECRET)
    failed = whisper.delay(SECRET, fail=True)
    jobs.drain(raise_errors=False)
    plain = Result.objects.using(ledger).create(
        id="plain", status="SUCCESS", result=b"1", stored_at=timezone.now()
    )
    with keys(ledger, NEW, OLD):
        assert sum(json.loads(reencrypt("--dry-run", "--json"))["rows"].values()) == 4
        assert "4 rows have the key" in reencrypt("--batch", "1")
        assert "0 rows have the key" in reencrypt()
    with keys(ledger, NEW):
        assert whisper.AsyncResult(waiting.id).get() == SECRET
        with pytest.raises(ValueError, match=SECRET):
            whisper.AsyncResult(failed.id).get()
        assert SECRET in str(whisper.AsyncResult(failed.id).traceback)
        assert dead_letters.filter().replay(actor="ada", kwargs={"fail": False}) == 1
        jobs.drain()
        assert whisper.AsyncResult(failed.id).get() == SECRET
    plain.refresh_from_db(using=ledger)
    assert bytes(plain.result or b"") == b"1"
    with keys(ledger, OTHER), pytest.raises(CommandError, match="No key here opens"):
        reencrypt()
    assert SECRET not in dump(ledger)


def test_renewal_that_is_stopped_in_the_middle_goes_on_where_it_stopped(
    ledger: str, jobs: HoldfastJobs, whisper: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = whisper.apply_many([(SECRET,)] * 3)
    encrypt, asked = vault.encrypt, count(1)

    def stopped(data: bytes, encoding: str) -> tuple[bytes, str]:
        if next(asked) == 2:
            raise KeyboardInterrupt
        return encrypt(data, encoding)

    with keys(ledger, NEW, OLD):
        with monkeypatch.context() as patched:
            patched.setattr(vault, "encrypt", stopped)
            with pytest.raises(KeyboardInterrupt):
                reencrypt("--batch", "1")
        assert json.loads(reencrypt("--dry-run", "--json"))["rows"][vault.newest()] == 1
        assert "2 rows have the key" in reencrypt("--batch", "1")
    with keys(ledger, NEW):
        jobs.drain()
        assert {result.get() for result in sent} == {SECRET}


def test_changed_row_is_refused(ledger: str, jobs: HoldfastJobs, whisper: Any) -> None:
    whisper.delay(SECRET)
    row = Payload.objects.using(ledger).get()
    row.body = bytes(row.body)[:-8] + b"AAAAAAA="
    row.save(using=ledger)
    jobs.drain(raise_errors=False)
    (letter,) = dead_letters.filter(reason=Reason.UNDECODABLE)
    assert "changed or damaged" in letter.error


def test_edited_dead_letter_stays_encrypted_with_the_newest_key(
    ledger: str, jobs: HoldfastJobs, whisper: Any
) -> None:
    sent = whisper.delay("first", fail=True)
    jobs.drain(raise_errors=False)
    with keys(ledger, NEW, OLD):
        assert dead_letters.filter().replay(actor="ada", args=[SECRET], kwargs={}) == 1
        jobs.drain()
        assert sent.get() == SECRET
        assert Payload.objects.using(ledger).get().content_encoding.endswith(vault.newest())
    assert SECRET not in dump(ledger)


def test_call_that_cannot_be_encrypted_is_refused_and_nothing_is_recorded(
    ledger: str, app: Celery, jobs: HoldfastJobs, whisper: Any
) -> None:
    with keys(ledger), pytest.raises(ConfigurationError, match="--new-key"):
        whisper.delay(SECRET)
    with pytest.raises(ConfigurationError, match="plain Celery"):
        whisper.apply_async((SECRET,), durable=False)
    with pytest.raises(ConfigurationError, match="durable=False"):
        app.task(name="secrets.odd", shared=False, encrypt=True, durable=False)(reencrypt)
    jobs.assert_not_recorded()


@pytest.mark.parametrize("wrong", ["text", ["short"], [5], [OLD[:-4]]])
def test_wrong_key_is_refused_without_showing_it(ledger: str, wrong: Any) -> None:
    with (
        override_settings(HOLDFAST={"database": ledger, "encryption_keys": wrong}),
        pytest.raises(ConfigurationError, match="encryption_keys") as refused,
    ):
        vault.newest()
    assert "short" not in str(refused.value)
    assert OLD[:-4] not in str(refused.value)


def test_command_makes_a_key(ledger: str) -> None:
    with keys(ledger, reencrypt("--new-key").strip()):
        data, encoding = vault.encrypt(b"x", "binary")
        assert vault.decrypt(data, encoding) == (b"x", "binary")


def test_waiting_jobs_are_held_against_the_code_though_encrypted(
    ledger: str, app: Celery, jobs: HoldfastJobs, whisper: Any
) -> None:
    whisper.delay(SECRET)
    found = rows.hold_against(app, old={}, new={})
    assert (found.read, found.unreadable) == (1, 0)


def reencrypt(*options: str) -> str:
    out = StringIO()
    call_command("holdfast", "reencrypt", *options, stdout=out)
    return out.getvalue()
