"""The tests of JOST's apps are a Django project's own: `manage.py test` runs them without pytest."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import ROOT

APPS = sorted(folder.parent.name for folder in (ROOT / "jost").glob("*/tests"))
# By the label that the commands of the reference have; its tests stand in tests/integration/test_leads_worker.py.
OTHERS = [app for app in APPS if app != "leads"]


# What differs from pytest is how they are run, which the tests of leads show each time.
@pytest.mark.soak
def test_tests_of_all_apps_pass_under_djangos_own_runner(tmp_path: Path) -> None:
    left = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    done = subprocess.run(
        [sys.executable, "manage.py", "test", *OTHERS],
        cwd=ROOT,
        env=left | {"JOST_DATA_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )

    assert done.returncode == 0, done.stderr[-2000:]
    assert {"accounts", "imports", "orders", "reports"} <= set(OTHERS)
