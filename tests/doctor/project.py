"""A small Django project on disk, whose settings and code a test writes: healthy as it comes."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.doctor.asking import Told, ask
from tests.processes import ROOT
from tests.surroundings import inherited

SETTINGS = """
SECRET_KEY = "kR7-vq2Lw9_xT4bNz8mYc1HsD6fJg3PaUeQo5iXt0VhW"
DEBUG = False
ALLOWED_HOSTS = ["shop.example.com"]
USE_TZ = True
TIME_ZONE = "UTC"
ADMINS = [("Ada", "ada@example.com")]
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
SECURE_SSL_REDIRECT = True
SECURE_HSTS_SECONDS = 31536000
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "holdfast", "shop"]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": BASE + "/ledger.sqlite3",
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL",
        },
    }
}
HOLDFAST = {"unsigned": "refuse", "alive_file": BASE + "/alive"}
CELERY_BROKER_URL = "redis://127.0.0.1:1/0"
CELERY_TASK_TIME_LIMIT = 600
CELERY_BEAT_SCHEDULER = "holdfast.beat:Scheduler"
"""
FILES = {
    "shop/__init__.py": "from shop.celery import app as celery_app\n",
    "shop/celery.py": """
        from holdfast import Celery

        app = Celery("shop")
        app.config_from_object("django.conf:settings", namespace="CELERY")
        app.autodiscover_tasks()
    """,
    "shop/tasks.py": """
        from celery import shared_task

        @shared_task
        def charge(card, amount=1):
            return amount
    """,
}


@dataclass
class Project:
    """A project in a folder of its own."""

    folder: Path
    settings: str = ""
    """Lines after those of a healthy project."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Files by their paths, in place of or beside those of a healthy project."""

    def __post_init__(self) -> None:
        text = f"BASE = {str(self.folder)!r}\n{SETTINGS}\n{textwrap.dedent(self.settings)}"
        self.write("shop_settings.py", text)
        for name, content in {**FILES, **self.files}.items():
            self.write(name, textwrap.dedent(content))

    def write(self, name: str, text: str) -> Path:
        """Write a file of the project."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    @property
    def environment(self) -> dict[str, str]:
        """What its processes are started with."""
        return inherited() | {
            "DJANGO_SETTINGS_MODULE": "shop_settings",
            "PYTHONPATH": f"{self.folder}:{ROOT}",
            # What is written again within a second, as long as before, would be taken for what was compiled.
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def ask(self, *words: str, **environment: str) -> Told:
        """Run the doctor in its folder."""
        return ask(self.environment | environment, *words, cwd=self.folder)
