"""The end of uploaded files: they are kept for some days behind the end of their import."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from functools import partial

from django.conf import settings
from django.core.files.storage import default_storage
from django.db import transaction
from django.utils import timezone

from .models import UPLOADS, Import


def clean_up() -> int:
    """Delete the files of imports that ended so many days ago, and old files of no import; return how many.

    What the rows became stays, and so does what was refused.
    """
    before = timezone.now() - timedelta(days=settings.JOST_IMPORT_KEEP_DAYS)
    return _of_ended(before) + _of_nobody(before.date())


def _of_ended(before: datetime) -> int:
    ended = Import.objects.exclude(file="").filter(ended_at__lt=before)
    deleted = 0
    for number in list(ended.values_list("pk", flat=True)):
        with transaction.atomic():
            # Somebody may have let it go on meanwhile.
            source = ended.select_for_update().filter(pk=number).first()
            if source is None:
                continue
            # Behind the commit: a row without its file says so, one that names a file that is gone would fail.
            transaction.on_commit(partial(default_storage.delete, str(source.file.name)))
            source.file = ""
            source.save(update_fields=["file"])
            deleted += 1
    return deleted


def _of_nobody(before: date) -> int:
    """Who died between a file and its row left one, and so did the imports of a user who is gone."""
    deleted = 0
    for year in _folders(UPLOADS):
        for month in _folders(year):
            for day in _folders(month):
                if day < f"{UPLOADS}/{before:%Y/%m/%d}":
                    deleted += _of_day(day)
    return deleted


def _of_day(folder: str) -> int:
    names = {f"{folder}/{name}" for name in default_storage.listdir(folder)[1]}
    owned = set(Import.objects.filter(file__startswith=f"{folder}/").values_list("file", flat=True))
    for name in names - owned:
        default_storage.delete(name)
    if not names & owned:
        # An empty folder, where the storage has such things.
        default_storage.delete(folder)
    return len(names - owned)


def _folders(folder: str) -> list[str]:
    try:
        names = default_storage.listdir(folder)[0]
    except FileNotFoundError:
        return []
    return [f"{folder}/{name}" for name in sorted(names)]
