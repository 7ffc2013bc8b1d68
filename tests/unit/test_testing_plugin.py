"""The pytest plugin costs nothing where it is not used, and the package says what it has."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points

import pytest

from holdfast import testing

HEAVY = {"celery", "django", "hypothesis", "kombu", "redis"}


def test_plugin_is_found_by_pytest(pytestconfig: pytest.Config) -> None:
    (entry,) = entry_points(group="pytest11", name="holdfast")
    assert entry.value == "holdfast.testing.plugin"
    assert pytestconfig.pluginmanager.get_plugin("holdfast") is entry.load()


def test_plugin_imports_nothing_heavy() -> None:
    code = (
        "import holdfast.testing.plugin, sys; print(*{name.split('.')[0] for name in sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert not HEAVY & set(done.stdout.split())


def test_package_has_what_it_says() -> None:
    assert all(getattr(testing, name) is not None for name in testing.__all__)
    with pytest.raises(AttributeError, match=r"'HoldfastJob'; it has: HoldfastJobs"):
        _ = testing.HoldfastJob
