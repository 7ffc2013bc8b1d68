"""The broker's address: whether there is one, and whether it can be read; asks nobody."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast.broker.places import Place, read
from holdfast.doctor.findings import Finding, define
from holdfast.doctor.probing import probe

if TYPE_CHECKING:
    from holdfast.doctor.look import Look

_LINE = re.compile(r"^\s*(?:export\s+)?([A-Z][A-Z0-9_]*)\s*=\s*(.*?)\s*$")
_NAMES = re.compile(r"BROKER|REDIS.*UR[LI]|CELERY.*UR[LI]")

MALFORMED = define(
    "holdfast.E301",
    title="The broker's URL cannot be used as it is written",
    leads_to="Nothing is sent and nothing is fetched: jobs stay in the ledger.",
    repair='Write it as CELERY_BROKER_URL = "redis://user:password@host:6379/0".',
)
NO_BROKER = define(
    "holdfast.E302",
    title="No broker is configured",
    leads_to="Celery then takes amqp://guest@localhost:5672 without a word: calls are refused there, or wait in a "
    "RabbitMQ that no worker of yours reads.",
    repair='Set CELERY_BROKER_URL = os.environ["CELERY_BROKER_URL"], which fails at once where the variable is '
    'missing, and app.config_from_object("django.conf:settings", namespace="CELERY") in the module of the app.',
)
ENV_FILE_UNREAD = define(
    "holdfast.W303",
    title="A .env file names a broker that this process does not use",
    leads_to="The process talks to another broker than the one you have written down, or to none.",
    repair="Nobody reads a .env file by itself: load it in the settings, by env_file of Compose, or "
    "by `set -a; . ./.env; set +a` in the shell.",
)
NO_APP = define(
    "holdfast.E304",
    title="No Celery app of the project is imported",
    leads_to="@shared_task belongs to Celery's default app in this process: its calls go to amqp://localhost, and "
    "nothing is recorded.",
    repair="Write `from .celery import app as celery_app` in the __init__.py of the project's package.",
)


@probe(area="broker", finds=[NO_APP], live=False)
def celery_app_is_imported(look: Look) -> Iterator[Finding]:
    """Whether importing the project makes its Celery app the current one."""
    if look.app.main != "default":
        return
    package = os.environ.get("DJANGO_SETTINGS_MODULE", "").partition(".")[0]
    module = Path(package, "celery.py")
    there = f"{module} is there, and is not imported." if package and module.exists() else ""
    yield NO_APP.seen(
        f"The current app is Celery's default one. {there}".strip(),
        repair=f"Write `from {package}.celery import app as celery_app` in {package}/__init__.py."
        if there
        else "",
    )


@probe(area="broker", finds=[MALFORMED, NO_BROKER], live=False, establishes=["broker"])
def broker_is_named(look: Look) -> Iterator[Finding]:
    """Whether the settings name a broker, by a URL that can be read."""
    places = look.places
    look.facts["broker.places"] = [place.shown for place in places]
    if not places:
        yield NO_BROKER.seen(
            "Neither CELERY_BROKER_URL in the settings nor in the environment is set.",
            repair=_unread_repair(look),
        )
    for place in places:
        if place.wrong:
            yield MALFORMED.seen(
                f"{_name(place)} is {place.shown!r}: {place.wrong}.",
                repair=_rewritten(place),
                about=place.shown,
                url=place.shown,
            )


@probe(area="broker", finds=[ENV_FILE_UNREAD], live=False)
def env_file_is_read(look: Look) -> Iterator[Finding]:
    """Whether what a .env file says of the broker is what this process uses."""
    used = {(place.host, place.port, place.database) for place in look.places}
    for name, url in _unread(look.surroundings.folder):
        place = read(url)
        if (place.host, place.port, place.database) not in used:
            yield ENV_FILE_UNREAD.seen(
                f"{look.surroundings.folder / '.env'} sets {name}={place.shown}; the environment of this process has "
                f"no {name}, and the broker in use is {_shown(look.places)}.",
                about=name,
                variable=name,
            )


def _unread(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield the addresses of a .env file whose variables are not set here."""
    try:
        lines = (folder / ".env").read_text().splitlines()
    except (OSError, ValueError):
        return
    for line in lines:
        found = _LINE.match(line)
        if found and _NAMES.search(found[1]) and "://" in found[2] and found[1] not in os.environ:
            yield found[1], found[2].strip("\"'")


def _unread_repair(look: Look) -> str:
    found = next(_unread(look.surroundings.folder), None)
    if found is None:
        return ""
    return (
        f"{look.surroundings.folder / '.env'} sets {found[0]}, and nothing loads that file: load it in the settings, "
        "by env_file of Compose, or by `set -a; . ./.env; set +a` in the shell."
    )


def _name(place: Place) -> str:
    return (
        f"CELERY_{place.setting.upper()}"
        if place.setting == "broker_read_url"
        else "CELERY_BROKER_URL"
    )


def _rewritten(place: Place) -> str:
    if not place.scheme and re.fullmatch(r"[\w.-]+(:\d+)?(/\d+)?", place.shown):
        return f'CELERY_BROKER_URL = "redis://{place.shown}"'
    return ""


def _shown(places: list[Place]) -> str:
    return ", ".join(place.shown for place in places) or "none"
