"""Jobs in every format of Celery's: recorded as sent, run, retried, and read again by people."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from holdfast import dead_letters
from tests.harness import Site, new_site
from tests.project.formats import FORMATS, TASKS, name_of

INCLUDE = "--include=tests.project.formats"
ACCEPTED = {"accept_content": ["json", "msgpack", "yaml"]}
# In the order of its keys, in which YAML writes it.
VALUE = {"long": "x" * 3000, "numbers": [1, 2.5, None, True], "text": "sch\u00f6n \u2603"}


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    with new_site(str(request.param), request, celery=ACCEPTED) as site:
        site.worker(INCLUDE)
        yield site


def test_job_in_any_format_is_retried_and_returns_what_it_was_given(site: Site) -> None:
    sent = {form: site.app.tasks[name_of(form)].delay(VALUE, fails=1) for form in TASKS}
    for form, job in sent.items():
        assert job.get(timeout=60) == VALUE, form
        assert site.jobs()[job.id].failures == 1, form


def test_serializer_of_the_call_wins_over_that_of_the_task(site: Site) -> None:
    task = site.app.tasks[name_of("json")]
    sent = [
        task.apply_async((VALUE,), serializer=serializer, compression=compression)
        for serializer, compression in FORMATS.values()
    ]
    assert [job.get(timeout=60) for job in sent] == [VALUE] * len(FORMATS)


def test_dead_letter_of_any_format_is_shown(site: Site) -> None:
    sent = {
        form: site.app.send_task(
            f"nobody.knows.{number}", (VALUE,), {"api_token": "hush"},
            serializer=serializer, compression=compression,
        )
        for number, (form, (serializer, compression)) in enumerate(FORMATS.items())
    }  # fmt: skip
    for job in sent.values():
        job.get(timeout=60, propagate=False)

    for form, job in sent.items():
        (letter,) = dead_letters.filter(ids=[job.id])
        assert letter.args == [VALUE], form
        assert "hush" not in str(letter.kwargs), form
        assert not letter.hidden, form


SIGNED = """
from celery import chain
from holdfast import dead_letters
from tests.project.formats import TASKS
job = tasks.add.apply_async((1, 2), compression="zlib")
print(job.get(timeout=60))
print(tasks.leave.delay("retry", "retried").get(timeout=60))
print(chain(tasks.add.s(1, 1), tasks.add.s(5)).delay().get(timeout=60))
unknown = app.send_task("nobody.knows.it", ("readable",))
unknown.get(timeout=60, propagate=False)
(letter,) = dead_letters.filter(ids=[unknown.id])
print(letter.args)
"""
FORGED = """
from kombu.serialization import dumps
from holdfast.ledger.models import Job, Payload
job = tasks.add.apply_async((1, 2), countdown=2)
row = Payload.objects.get(job=job.id)
_, _, body = dumps([[10, 20], {}, {}], serializer="auth")
signed = bytes(row.body)
middle = len(signed) // 2
Payload.objects.filter(job=job.id).update(
    body=signed[:middle] + bytes([signed[middle] ^ 1]) + signed[middle + 1:]
)
job.get(timeout=60, propagate=False)
print(Job.objects.get(id=job.id).reason)
"""


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
@pytest.mark.short_on("sqlite")
def test_signed_jobs_run_and_one_that_was_changed_does_not(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Celery's `auth`, in processes of their own: it switches every other format of a process off."""
    _write_identity(tmp_path)
    celery = {
        "task_serializer": "auth",
        "result_serializer": "auth",
        "event_serializer": "auth",
        "accept_content": ["auth"],
        "security_key": str(tmp_path / "key.pem"),
        "security_certificate": str(tmp_path / "cert.pem"),
        "security_cert_store": str(tmp_path / "*.pem.known"),
    }
    with new_site(kind, request, celery=celery) as site:
        site.worker(INCLUDE)
        told = site.python(SIGNED).splitlines()
        assert told == ["3", "retried", "7", "['readable']"]
        assert site.python(FORGED).strip() == "undecodable"


def _write_identity(folder: Path) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "holdfast")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    (folder / "cert.pem").write_bytes(pem)
    (folder / "cert.pem.known").write_bytes(pem)
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
    )
