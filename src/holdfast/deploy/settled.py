"""What settings make of the variables they are given: printed by a process of its own, for whoever started it.

`python -m holdfast.deploy.settled APP` prints one line of JSON: hosts and ports, never a password.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

MARK = "holdfast settled: "


def main(app: str) -> None:
    """Load the settings and the Celery app of this process, and print where they lead."""
    import django

    django.setup()
    from django.conf import settings

    found = {
        "broker": sorted(set(_brokers(_conf(app)))),
        "cache": sorted(
            {host for one in settings.CACHES.values() for host in _hosts(one.get("LOCATION"))}
        ),
        "cache_kinds": sorted({str(one.get("BACKEND", "")) for one in settings.CACHES.values()}),
        "database": [
            [str(one.get("ENGINE", "")), str(one.get("HOST") or ""), str(one.get("PORT") or "")]
            for one in settings.DATABASES.values()
        ],
    }
    # Settings may print as well: on a line of its own, wherever the last one ended.
    sys.stdout.write(f"\n{MARK}{json.dumps(found)}\n")


def _conf(name: str) -> Any:
    from celery import current_app
    from celery.app.utils import find_app

    try:
        return find_app(name).conf
    except Exception:  # noqa: BLE001  # it is the one that the settings' own package has made, then
        return current_app.conf


def _brokers(conf: Any) -> Iterator[str]:
    for urls in (conf.broker_read_url, conf.broker_write_url):
        yield from _hosts(urls)


def _hosts(said: Any) -> Iterator[str]:
    """Yield the hosts of addresses: one, several in one text, or a list of them."""
    for part in said if isinstance(said, list | tuple) else str(said or "").split(";"):
        text = str(part)
        try:
            host = urlsplit(text if "://" in text else f"//{text}").hostname
        except ValueError:
            host = None
        if host:
            yield host


if __name__ == "__main__":
    main(sys.argv[1])
