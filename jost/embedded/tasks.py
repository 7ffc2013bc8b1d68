"""The sign of life by which a start knows that its workers and its scheduler work; runs in workers."""

from __future__ import annotations

from pathlib import Path

from celery import shared_task
from django.conf import settings


@shared_task(name="jost.embedded.pulse", ignore_result=True)
def pulse(source: str, run: str) -> None:
    """Note that a job which `source` sent, or was sent to, has run in this run of JOST."""
    path = pulse_path(settings.DATA_DIR, source=source)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(run)


def pulse_path(folder: Path, *, source: str) -> Path:
    """Return the file that holds the last sign of life of a source."""
    return folder / "pulse" / source
