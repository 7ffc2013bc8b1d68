"""Loads JOST's settings in an environment of its own and reads them back, or the error they end in."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parents[2]


def settings_of(stage: str, environment: Mapping[str, str]) -> dict[str, Any]:
    """Return the settings of a stage with exactly this environment.

    In this process: the modules are loaded anew, and the ones that were loaded come back afterwards.
    """
    before = dict(os.environ)
    loaded = {name: module for name, module in sys.modules.items() if _is_settings(name)}
    try:
        os.environ.clear()
        os.environ.update(environment, DJANGO_SETTINGS_MODULE=f"jost.settings.{stage}")
        for name in loaded:
            del sys.modules[name]
        module = importlib.import_module(f"jost.settings.{stage}")
        return {name: value for name, value in vars(module).items() if name.isupper()}
    finally:
        os.environ.clear()
        os.environ.update(before)
        for name in [name for name in sys.modules if _is_settings(name)]:
            del sys.modules[name]
        sys.modules.update(loaded)


def _is_settings(name: str) -> bool:
    return name == "jost.settings" or name.startswith("jost.settings.")


def given_by(name: str) -> dict[str, str]:
    """Return what a shell has after reading an env list of the repository."""

    script = f"set -a; . ./{name}; {sys.executable} -c 'import json, os; print(json.dumps(dict(os.environ)))'"
    done = subprocess.run(
        ["sh", "-c", script],
        cwd=_ROOT,
        env={"PATH": os.defpath},
        capture_output=True,
        text=True,
        check=True,
    )
    variables: dict[str, str] = json.loads(done.stdout)
    return variables
