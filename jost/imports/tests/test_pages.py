"""Pages, admin and REST of imports; `manage.py test imports` runs this file."""

from __future__ import annotations

import csv
import re

from django.contrib.auth.models import User
from django.test import override_settings

from jost.imports import services
from jost.imports.models import Import

from .cases import GOOD, ImportCase, upload


class Pages(ImportCase):
    def test_person_uploads_follows_and_reads_what_was_refused(self) -> None:
        content = "email,name\na@b.eu,Ada\n=1+1,Bob\n"
        shown = self.client.post("/imports/", {"file": upload(content)}, follow=True)
        source = Import.objects.get()
        self.assertContains(shown, "waiting")
        self.assertContains(shown, 'hx-trigger="every 1s"')

        self.drain()

        page = source.get_absolute_url()
        figures = self.client.get(page, headers={"HX-Request": "true"})
        self.assertEqual(figures.status_code, 286)
        self.assertContains(figures, "100 %", status_code=286)
        self.assertContains(self.client.get(f"{page}errors/"), "email: no mail address")
        report = b"".join(self.client.get(f"{page}errors.csv"))
        expected = 'line,reason,text\r\n3,email: no mail address,"\'=1+1,Bob"\r\n'
        self.assertEqual(report.decode(), expected)
        self.assertContains(self.client.get("/imports/"), "1 in, 1 refused")

    def test_no_cell_of_the_report_begins_a_formula_whatever_divides_cells(self) -> None:
        rows = ["=1", "+1", "-1", "@x", " =1", "\uff1d1", "x;=1", 'x;"-1', "\t@x", "x\t+1"]
        source = self.imported("email,name\n" + "\n".join(rows) + "\n")

        report = b"".join(self.client.get(f"{source.get_absolute_url()}errors.csv")).decode()

        texts = [row[2] for row in csv.reader(report.splitlines()[1:])]
        self.assertEqual(len(texts), len(rows))
        for text in texts:
            for cell in re.split("[;\t]", text):
                self.assertNotRegex(cell.lstrip(' "'), "^[=+@\uff1d-]")

    async def test_report_streams_from_an_asynchronous_server_too(self) -> None:
        source = await Import.objects.acreate(name="a.csv", size=1)
        await source.errors.acreate(line=2, reason="email: missing", text=",Ada")

        answer = await self.async_client.get(f"/imports/{source.pk}/errors.csv")

        self.assertEqual(answer["Content-Type"], "text/csv; charset=utf-8")
        parts = [part async for part in answer]  # type: ignore[attr-defined]
        self.assertEqual(b"".join(parts).count(b"\r\n"), 2)

    def test_file_that_cannot_be_imported_is_refused_beside_the_field(self) -> None:
        answer = self.client.post("/imports/", {"file": upload("email;name\n")})

        self.assertContains(answer, "not semicolons", status_code=422)
        self.assertEqual(self.client.post("/imports/").status_code, 422)

    def test_buttons_cancel_and_go_on(self) -> None:
        source = services.begin(upload())
        page = source.get_absolute_url()

        cancelled = self.client.post(f"{page}cancel/", follow=True)
        self.assertContains(cancelled, "Go on where it was")
        again = self.client.post(f"{page}cancel/", follow=True)
        self.assertContains(again, "nothing to cancel")
        self.client.post(f"{page}go-on/")
        self.drain()

        self.is_exact(source)
        idle = self.client.post(f"{page}go-on/", follow=True)
        self.assertContains(idle, "needs nobody")

    @override_settings(JOST_LOGIN=True)
    def test_import_of_somebody_else_is_not_found(self) -> None:
        ada, bob = (User.objects.create_user(name, password="x") for name in ("ada", "bob"))
        source = services.begin(upload(), owner=ada)
        self.client.force_login(bob)

        for path in ("", "errors/", "errors.csv"):
            answer = self.client.get(f"{source.get_absolute_url()}{path}")
            self.assertEqual(answer.status_code, 404)
        for path in ("", "errors/", "contacts/", "error-report/"):
            answer = self.client.get(f"/api/imports/{source.pk}/{path}")
            self.assertEqual(answer.status_code, 404)
        self.assertNotContains(self.client.get("/imports/"), "contacts.csv")

    def test_admin_shows_imports_cancels_them_and_takes_them_up(self) -> None:
        self.client.force_login(User.objects.create_superuser("root", password="x"))
        source = services.begin(upload())

        for action, state in (("cancel", "cancelled"), ("go_on", "waiting")):
            chosen = {"action": action, "_selected_action": [source.pk]}
            self.client.post("/admin/imports/import/", chosen)
            source.refresh_from_db()
            self.assertEqual(source.state, state)
        self.drain()

        self.assertContains(self.client.get("/admin/imports/contact/"), "p49@example.com")
        self.assertEqual(self.client.get("/admin/imports/rowerror/").status_code, 200)


class Api(ImportCase):
    def test_program_uploads_follows_and_reads_rows_and_errors(self) -> None:
        answer = self.client.post("/api/imports/", {"file": upload(GOOD + "nobody,Bob,\n")})
        self.assertEqual((answer.status_code, answer.json()["state"]), (201, "waiting"))
        url = answer["Location"]

        self.drain()

        shown = self.client.get(url).json()
        figures = (shown["state"], shown["imported"], shown["refused"], shown["read"])
        self.assertEqual(figures, ("done", 50, 1, shown["size"]))
        contacts = self.client.get(f"{url}contacts/?limit=2").json()
        self.assertEqual((contacts["count"], len(contacts["results"])), (50, 2))
        (error,) = self.client.get(f"{url}errors/").json()["results"]
        self.assertEqual(error["line"], 52)
        report = self.client.get(f"{url}error-report/", headers={"Accept": "text/csv"})
        self.assertEqual(b"".join(report).count(b"\r\n"), 2)
        missing = self.client.get("/api/imports/0/error-report/", headers={"Accept": "text/csv"})
        self.assertEqual(missing.status_code, 404)
        listed = self.client.get("/api/imports/?state=done&order_by=size&order_dir=desc").json()
        self.assertEqual(listed["count"], 1)

    def test_file_that_cannot_be_imported_is_refused(self) -> None:
        answer = self.client.post("/api/imports/", {"file": upload("email;name\n")})

        self.assertEqual(answer.status_code, 400)
        self.assertIn("not semicolons", answer.json()["file"][0])
        misspelt = self.client.post("/api/imports/", {"csv": upload()})
        self.assertEqual(misspelt.status_code, 400)

    def test_calls_that_change_nothing_say_so(self) -> None:
        url = self.client.post("/api/imports/", {"file": upload()})["Location"]

        self.assertEqual(self.client.post(f"{url}go-on/").status_code, 409)
        self.assertEqual(self.client.post(f"{url}cancel/").json()["state"], "cancelled")
        self.assertEqual(self.client.post(f"{url}cancel/").status_code, 409)
        self.assertEqual(self.client.post(f"{url}go-on/").status_code, 202)
        Import.objects.update(state="cancelled")
        stopping = self.client.post(f"{url}go-on/")
        self.assertEqual(stopping.status_code, 409)
        self.assertIn("not stopped yet", stopping.json()["detail"])
