"""The test matrix: the oldest and the newest supported pair of Python and Django, each in an environment of its own."""

from __future__ import annotations

import nox

nox.options.default_venv_backend = "uv|virtualenv"
nox.options.sessions = ["tests"]

# The lock holds both: which Django is installed follows from the Python (5.2 on 3.11, 6.x from 3.12).
PYTHONS = {"3.11": "5.2", "3.13": "6."}


@nox.session(python=list(PYTHONS))
def tests(session: nox.Session) -> None:
    """Run the tests: nox -s tests-3.13 -- tests/unit"""
    # As make does it, a Redis compiled for 3.13 included.
    for lock in ("requirements.lock", "requirements-dev.lock"):
        session.run("./.ci/install", session.virtualenv.location, lock, external=True)
    expected = PYTHONS[str(session.python)]
    session.run(
        "python", "-c", f"import django; assert django.__version__.startswith({expected!r})"
    )
    session.run("./.ci/test", "python", *session.posargs, external=True)
