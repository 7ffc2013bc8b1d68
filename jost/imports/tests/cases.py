"""What the tests of imports share: a file, a folder of its own for uploads, small chunks."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from unittest.mock import patch

from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import TestCase, override_settings

from holdfast.testing import HoldfastJobsMixin
from jost.imports import services, work
from jost.imports.models import Import

GOOD = "email,name,phone\n" + "".join(f"p{n}@example.com,Person {n},\n" for n in range(50))


def upload(content: str | bytes = GOOD, *, name: str = "contacts.csv") -> SimpleUploadedFile:
    content = content.encode() if isinstance(content, str) else content
    return SimpleUploadedFile(name, content, content_type="text/csv")


class ImportCase(HoldfastJobsMixin, TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.files = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.files)
        kept = override_settings(MEDIA_ROOT=self.files)
        kept.enable()
        self.addCleanup(kept.disable)
        small = patch.object(work, "CHUNK", 10)
        small.start()
        self.addCleanup(small.stop)

    def drain(self) -> None:
        self.holdfast_jobs.drain()

    def imported(self, content: str | bytes = GOOD) -> Import:
        source = services.begin(upload(content))
        self.drain()
        source.refresh_from_db()
        return source

    def wrong(self, content: str | bytes) -> list[tuple[int, str]]:
        source = self.imported(content)
        self.assertEqual(source.state, "done")
        return list(source.errors.values_list("line", "reason"))

    def is_exact(self, source: Import) -> None:
        source.refresh_from_db()
        self.assertEqual((source.state, source.imported, source.read), ("done", 50, source.size))
        lines = list(source.contacts.values_list("line", flat=True))
        self.assertEqual(lines, list(range(2, 52)))
