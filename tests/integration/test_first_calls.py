"""What the first call of a process needs is there: two threads that import modules of each other refuse each other."""

from __future__ import annotations

from tests.processes import ROOT
from tests.surroundings import inherited
from tests.warm import run

CODE = """
import django, sys
django.setup()
there = set(sys.modules)
from holdfast.ledger.database import dialect
dialect()
print(*[name for name in sys.modules if name.startswith("holdfast") and name not in there])
"""


def test_ledger_has_been_imported_when_the_apps_are_ready() -> None:
    environment = inherited() | {"DJANGO_SETTINGS_MODULE": "tests.settings"}
    done = run(["-c", CODE], environment=environment, cwd=ROOT, timeout=60)
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr
