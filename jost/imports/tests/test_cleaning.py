"""What becomes of uploaded files in the end; `manage.py test imports` runs this file."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import override_settings
from django.utils import timezone

import holdfast
from jost.imports import cleaning, services, tasks
from jost.imports.models import Import

from .cases import ImportCase, upload


@override_settings(JOST_IMPORT_KEEP_DAYS=7)
class Cleaning(ImportCase):
    def kept(self) -> set[str]:
        return {str(each.relative_to(self.files)) for each in self.files.rglob("*.csv")}

    def age(self, source: Import, *, days: int) -> None:
        then = timezone.now() - timedelta(days=days)
        Import.objects.filter(pk=source.pk).update(created_at=then, ended_at=then)

    def lay_down(self, *, days: int) -> str:
        """A file as an upload leaves it whose process dies before its row is there."""
        then = timezone.now() - timedelta(days=days)
        return default_storage.save(f"imports/{then:%Y/%m/%d}/lost.csv", ContentFile(b"x"))

    def test_file_is_kept_for_its_days_behind_the_end_and_its_rows_stay(self) -> None:
        old, young, under_way = self.imported(), self.imported(), services.begin(upload())
        self.age(old, days=8)
        self.age(young, days=6)
        Import.objects.filter(pk=under_way.pk).update(created_at=timezone.now() - timedelta(days=9))

        with self.captureOnCommitCallbacks(execute=True):
            tasks.clean_up.delay()
            self.drain()

        self.assertEqual(self.kept(), {str(young.file), str(under_way.file)})
        old.refresh_from_db()
        self.assertEqual((old.state, str(old.file), old.contacts.count()), ("done", "", 50))
        self.assertEqual(cleaning.clean_up(), 0)

    def test_file_of_nobody_goes_and_one_that_has_just_come_stays(self) -> None:
        owner = User.objects.create_user("ada", password="x")
        services.begin(upload(), owner=owner)
        owner.delete()
        (of_today,) = self.kept()
        lost, fresh = self.lay_down(days=9), self.lay_down(days=0)

        self.assertEqual(cleaning.clean_up(), 1)

        self.assertEqual(self.kept(), {of_today, fresh})
        self.assertFalse(Path(self.files, lost).parent.exists())

    def test_cancelled_import_whose_file_is_gone_says_so_and_cannot_go_on(self) -> None:
        source = services.begin(upload())
        services.cancel(source.pk)
        self.age(source, days=8)
        with self.captureOnCommitCallbacks(execute=True):
            self.assertEqual(cleaning.clean_up(), 1)

        page = self.client.get(source.get_absolute_url())
        self.assertContains(page, "no longer kept")
        self.assertNotContains(page, "Go on where it was")
        refused = self.client.post(f"/api/imports/{source.pk}/go-on/")
        self.assertEqual(refused.status_code, 409)
        self.assertIn("no longer kept", refused.json()["detail"])

    def test_job_of_an_import_that_is_gone_ends(self) -> None:
        source = services.begin(upload())
        job = source.job
        source.delete()

        self.drain()
        services.fail(0, job=job)

        self.assertEqual(self.holdfast_jobs.recorded(tasks.run)[0].state, "succeeded")

    def test_schedule_cleans_up_each_day(self) -> None:
        (schedule,) = [each for each in holdfast.schedules() if each.name == "clean up imports"]

        self.assertEqual(schedule.task, "jost.imports.clean_up")
