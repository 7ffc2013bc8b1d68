"""Imports in the test's own process: `manage.py test imports` runs this file."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from io import BytesIO
from typing import Any
from unittest.mock import patch

from celery.exceptions import SoftTimeLimitExceeded
from django.db import IntegrityError, OperationalError, transaction
from django.test import override_settings

import holdfast
from holdfast.testing import faults
from jost.imports import reading, services, tasks, work
from jost.imports.models import Contact, Import
from jost.imports.reading import Place

from .cases import GOOD, ImportCase, upload


class Rows(ImportCase):
    def test_each_row_is_a_contact_with_its_line(self) -> None:
        source = self.imported()

        self.is_exact(source)
        contact = source.contacts.get(line=51)
        self.assertEqual((contact.email, contact.name), ("p49@example.com", "Person 49"))

    def test_row_that_is_wrong_is_told_with_line_and_reason_and_stops_no_other(self) -> None:
        rows = [
            "a@b.eu,Ada,+49 30 12345",
            "nobody,Bob,",
            "c@b.eu,,",
            "d@b.eu,Dan",
            "",
            "e@b.eu,Eve,call me",
            ",Fay,",
            f"g@b.eu,{'G' * 121},",
            "H@B.eu,Hal,",
        ]

        wrong = self.wrong("email,name,phone\n" + "\r\n".join(rows))

        self.assertEqual(
            wrong,
            [
                (3, "email: no mail address"),
                (4, "name: missing"),
                (5, "2 cells; the first line names 3"),
                (7, "phone: no telephone number"),
                (8, "email: missing"),
                (9, "name: longer than 120 characters"),
            ],
        )
        contacts = Contact.objects.values_list("line", "email")
        self.assertEqual(list(contacts), [(2, "a@b.eu"), (10, "h@b.eu")])

    def test_quotes_hold_commas_and_line_ends(self) -> None:
        self.assertEqual(self.wrong('name,email\n"Lovelace, ""Ada""",a@b.eu\n'), [])
        self.assertEqual(Contact.objects.get().name, 'Lovelace, "Ada"')

        wrong = self.wrong('name,email\n"two\nlines",a@b.eu\nBob,b@b.eu\n')
        self.assertEqual(wrong, [(2, "name: goes over more than one line")])
        self.assertEqual(Contact.objects.latest("id").line, 4)

    def test_quote_that_is_never_closed_costs_one_line(self) -> None:
        wrong = self.wrong('email,name\n"a@b.eu,Ada\nb@b.eu,Bob\nc@b.eu,Cy\n')

        self.assertEqual([line for line, _ in wrong], [2])
        self.assertEqual(list(Contact.objects.values_list("line", flat=True)), [3, 4])

    def test_line_without_end_costs_itself_alone(self) -> None:
        wrong = self.wrong(f"email,name\n{'x' * 300_000}\nb@b.eu,Bob\n")

        self.assertEqual([line for line, _ in wrong], [2])
        self.assertEqual(Contact.objects.get().line, 3)

    def test_bytes_that_are_no_text_cost_their_row_alone(self) -> None:
        wrong = self.wrong(
            b"\xef\xbb\xbfemail,name\na@b.eu,\xff\xfe\nb@b.eu,B\x00b\nc@b.eu,Zo\xc3\xab\n"
        )

        reasons = [(2, "name: not UTF-8"), (3, "name: has a character that cannot be seen")]
        self.assertEqual(wrong, reasons)
        self.assertEqual(Contact.objects.get().name, "Zo\u00eb")

    def test_address_that_grows_in_small_letters_costs_its_row_alone(self) -> None:
        """A capital dotted I is two characters when it is small; PostgreSQL takes no more than 254."""
        address = "a@" + ".".join(["\u0130" * 20] * 8) + ".eu"

        wrong = self.wrong(f"email,name\n{address},Ada\nb@b.eu,Bob\n")

        self.assertEqual(wrong, [(2, "email: longer than 254 characters")])
        self.assertEqual(Contact.objects.get().line, 3)

    def test_what_is_no_csv_is_told_in_words(self) -> None:
        wrong = self.wrong('email,name\na@b.eu,A\rb@b.eu,B\nc@b.eu\r\r\nd@b.eu,"D\n')

        self.assertEqual(
            wrong,
            [
                (2, "no CSV: a CR in the middle of the line"),
                (3, "1 cell; the first line names 2"),
                (4, "no CSV: a quote that is never closed"),
            ],
        )

    def test_file_of_empty_lines_has_its_checkpoints_too(self) -> None:
        with patch.object(reading, "MOST_CHUNK_BYTES", 100):
            found = list(reading.chunks(BytesIO(b"\n" * 301), begin=Place(0, 1), size=10))

        self.assertEqual([len(chunk.records) for chunk in found], [0, 0, 0, 0])
        self.assertEqual(found[-1].end, Place(301, 302))

    def test_long_rows_make_short_chunks(self) -> None:
        row = b"a@b.eu," + b"N" * 60_000 + b"\n"

        found = list(reading.chunks(BytesIO(row * 40), begin=Place(0, 2), size=1000))

        self.assertEqual([len(chunk.records) for chunk in found], [18, 18, 4])

    def test_same_line_twice_is_refused_by_the_database(self) -> None:
        contact = self.imported().contacts.all()[0]
        contact.pk = None

        with self.assertRaises(IntegrityError), transaction.atomic():
            contact.save()


class Uploads(ImportCase):
    def refused(self, content: str | bytes) -> str:
        with self.assertRaises(services.UploadError) as told:
            services.begin(upload(content))
        return str(told.exception)

    def test_file_that_is_none_of_ours_is_refused_with_the_repair(self) -> None:
        self.assertIn("empty", self.refused(""))
        self.assertIn("name is missing", self.refused("email\na@b.eu\n"))
        self.assertIn("not semicolons", self.refused("email;name\n"))
        self.assertIn("take out age", self.refused("email,name,age\n"))
        self.assertIn("each once", self.refused("email,name,name\n"))
        self.assertIn("not tabs", self.refused("email\tname\n"))
        self.assertIn("email and name are missing", self.refused("a@b.eu,Ada\n"))
        self.assertIn("without a name", self.refused("email,name,\n"))
        self.assertIn("LF or CR LF", self.refused("email,name\ra@b.eu,Ada\r"))
        self.assertIn("longer than", self.refused(f"email,name{' ' * 70_000}\n"))
        self.assertIn("',' expected", self.refused('"email"s,name\n'))
        for encoding in ("utf-16", "utf-16-le", "utf-16-be", "utf-32"):
            self.assertIn("UTF-8", self.refused("email,name\n".encode(encoding)))
        self.assertIn("UTF-8", self.refused(b"PK\x03\x04\x14\x00\x00\x00"))
        with patch.object(services, "MOST_BYTES", 10):
            self.assertIn("10 are the most", self.refused(GOOD))
        self.assertFalse(Import.objects.exists() or any(self.files.iterdir()))

    def test_upload_that_is_rolled_back_keeps_neither_file_nor_job(self) -> None:
        with patch.object(services, "send", side_effect=OperationalError("away")):
            self.assertRaises(OperationalError, services.begin, upload())

        self.assertFalse(Import.objects.exists())
        self.assertEqual([each for each in self.files.rglob("*") if each.is_file()], [])

    def test_name_of_an_upload_is_shown_and_is_no_path(self) -> None:
        source = services.begin(upload(name="../../etc/passwd"))

        self.assertEqual(source.name, "passwd")
        self.assertRegex(str(source.file.name), r"^imports/\d{4}/\d\d/\d\d/[0-9a-f]{32}\.csv$")

    @override_settings(MEDIA_ROOT="")
    def test_site_without_a_folder_says_what_to_set(self) -> None:
        self.assertIn("JOST_DATA_DIR", self.refused(GOOD))


class Faults(ImportCase):
    """What dies between two chunks; real workers are killed in tests/integration/test_imports_worker.py."""

    def at_third_chunk(self, happens: Callable[[], object]) -> Any:
        import_chunk, calls = work._import, iter(range(1_000))  # noqa: SLF001

        def strike(*args: Any, **kwargs: Any) -> None:
            if next(calls) == 2:
                happens()
            import_chunk(*args, **kwargs)

        return patch.object(work, "_import", strike)

    def test_database_that_goes_away_is_tried_again_from_the_checkpoint(self) -> None:
        def away() -> None:
            raise OperationalError("away")

        with self.at_third_chunk(away):
            source = self.imported()
            self.assertEqual((source.state, source.imported), ("running", 20))
            self.holdfast_jobs.travel(timedelta(minutes=2))
            self.drain()

        self.is_exact(source)

    def test_soft_time_limit_sends_a_further_job_that_goes_on(self) -> None:
        def over() -> None:
            raise SoftTimeLimitExceeded

        with self.at_third_chunk(over):
            source = self.imported()

        self.is_exact(source)
        first, second = self.holdfast_jobs.recorded(tasks.run)
        self.assertEqual(second.args[1][1], 22, "the line behind two chunks of ten")
        self.assertEqual({first.state, second.state}, {"succeeded"})

    def test_chunk_that_hangs_again_and_again_fails_the_import_which_can_go_on(self) -> None:
        source = services.begin(upload())
        with patch.object(work, "_import", side_effect=SoftTimeLimitExceeded) as struck:
            self.holdfast_jobs.drain(raise_errors=False, skip_waits=True)
        source.refresh_from_db()
        self.assertEqual((source.state, struck.call_count), ("failed", 3))

        self.assertTrue(services.go_on(source.pk))
        self.drain()

        self.is_exact(source)

    def test_job_that_was_replaced_and_runs_again_imports_nothing(self) -> None:
        source = services.begin(upload())
        Import.objects.update(job="another")

        self.drain()

        source.refresh_from_db()
        self.assertEqual((source.imported, source.contacts.count()), (0, 0))

    def test_worker_that_dies_behind_the_last_row_ends_it_once(self) -> None:
        with faults.worker_dies(tasks.run):
            source = self.imported()

        self.is_exact(source)
        self.assertEqual(self.holdfast_jobs.recorded(tasks.run)[0].state, "succeeded")

    def test_job_that_fails_for_good_fails_the_import_which_can_go_on(self) -> None:
        def broken() -> None:
            raise RuntimeError("a bug")

        source = services.begin(upload())
        with self.at_third_chunk(broken):
            self.holdfast_jobs.drain(raise_errors=False)
        source.refresh_from_db()
        self.assertEqual((source.state, source.imported), ("failed", 20))
        self.assertIn("console", source.reason)

        self.assertTrue(services.go_on(source.pk))
        self.drain()

        self.is_exact(source)

    def test_replay_of_the_dead_letter_goes_on_too(self) -> None:
        source = services.begin(upload())
        with patch.object(work, "_import", side_effect=RuntimeError("a bug")):
            self.holdfast_jobs.drain(raise_errors=False)
        source.refresh_from_db()
        self.assertEqual(source.state, "failed")

        holdfast.replay(source.job)
        self.drain()

        self.is_exact(source)
        self.assertEqual(source.reason, "")

    def test_cancel_stops_between_two_chunks_and_can_be_taken_back(self) -> None:
        source = services.begin(upload())
        with self.at_third_chunk(lambda: services.cancel(source.pk)):
            self.drain()
        source.refresh_from_db()
        self.assertEqual((source.state, source.contacts.count()), ("cancelled", 20))
        self.assertEqual(self.holdfast_jobs.recorded(tasks.run)[0].state, "cancelled")

        self.assertTrue(services.go_on(source.pk))
        self.drain()

        self.is_exact(source)
        self.assertFalse(services.go_on(source.pk) or services.cancel(source.pk))

    def test_import_that_is_cancelled_before_it_begins_imports_nothing(self) -> None:
        source = services.begin(upload())
        services.cancel(source.pk)

        self.drain()

        source.refresh_from_db()
        self.assertEqual((source.state, source.imported), ("cancelled", 0))

    def test_going_on_waits_until_the_job_has_stopped(self) -> None:
        source = services.begin(upload())
        Import.objects.update(state="cancelled")

        with self.assertRaises(services.StillStoppingError):
            services.go_on(source.pk)

        source.refresh_from_db()
        self.assertEqual(source.state, "cancelled")

    def test_import_whose_job_was_cancelled_elsewhere_is_cancelled(self) -> None:
        source = services.begin(upload())
        self.assertEqual(services.settle(), 0)
        holdfast.cancel(source.job)

        tasks.settle.delay()
        self.drain()

        source.refresh_from_db()
        self.assertEqual(source.state, "cancelled")
        services.go_on(source.pk)
        self.drain()
        self.is_exact(source)
