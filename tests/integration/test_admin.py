"""The ledger in Django's admin: to be looked at by staff, and by nobody to be changed."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client

from holdfast.ledger import audit, transitions
from holdfast.models import Audit, Job
from tests.rows import new_job

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("root", password="x"))
    return client


@pytest.fixture
def job() -> Job:
    call = new_job(task="shop.charge", queue="critical", body=b'[["secret-card"], {}, {}]')
    transitions.record([call])
    return Job.objects.get(id=call.id)


@pytest.mark.parametrize("page", ["job", "attempt", "attemptlog", "worker", "effect", "audit"])
def test_lists_open_for_staff(staff: Client, job: Job, page: str) -> None:
    answer = staff.get(f"/admin/holdfast/{page}/")
    assert answer.status_code == 200
    assert (job.id in answer.content.decode()) is (page == "job")


def test_job_shows_its_state_and_not_its_arguments(staff: Client, job: Job) -> None:
    answer = staff.get(f"/admin/holdfast/job/{job.id}/change/")
    assert answer.status_code == 200
    assert "shop.charge" in answer.content.decode()
    assert "secret-card" not in answer.content.decode()


def test_audit_shows_who_did_it_and_not_the_arguments_of_old(staff: Client, job: Job) -> None:
    audit.note("edit", actor="ada", job=job.id, detail="secret-card")
    (line,) = Audit.objects.all()
    answer = staff.get(f"/admin/holdfast/audit/{line.pk}/change/")
    assert "ada" in answer.content.decode()
    assert "secret-card" not in answer.content.decode()


def test_nobody_adds_changes_or_deletes_a_job(staff: Client, job: Job) -> None:
    assert staff.get("/admin/holdfast/job/add/").status_code == 403
    staff.post(f"/admin/holdfast/job/{job.id}/change/", {"queue": "elsewhere"})
    assert staff.post(f"/admin/holdfast/job/{job.id}/delete/", {"post": "yes"}).status_code == 403
    job.refresh_from_db()
    assert job.queue == "critical"


def test_admin_is_closed_to_the_public(client: Client) -> None:
    assert client.get("/admin/holdfast/job/").status_code == 302
