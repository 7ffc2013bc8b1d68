"""A watch of alerts over what a test says is wrong, and whom it tells."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.test import override_settings

from holdfast.alerts.deciding import Sign
from holdfast.alerts.stated import Rule
from holdfast.alerts.watching import Watch
from holdfast.ledger.database import alias
from holdfast.ledger.models.alerts import AlertNotice
from tests.receivers import Web

SIGN = Sign(subject="queue mail", summary="Queue mail is old.", path="queues/mail/")
OTHER = Sign(subject="queue other", summary="Queue other is old.")


class Watched:
    """A watch over what a test says is wrong."""

    def __init__(self) -> None:
        self.signs: list[Sign] = []
        self.watch = Watch(look=self.look)

    def look(self, _rule: Rule) -> list[Sign]:
        return list(self.signs)

    def finds(self, *signs: Sign) -> None:
        """Look once, and find this."""
        self.signs = list(signs)
        self.watch.one_pass()


@contextmanager
def said(receiver: Web, **more: Any) -> Iterator[None]:
    """Tell a webhook and a pager of old queues."""
    stated = {
        "channels": {
            "hook": {"kind": "webhook", "url": f"{receiver.url}/hook"},
            "pager": {
                "kind": "pagerduty",
                "routing_key": "key",
                "url": f"{receiver.url}/pager",
            },
        },
        "rules": [{"when": "oldest", "name": "queues", "clear_seconds": 0}],
        "source": "shop",
        "console_url": "https://shop.example/holdfast",
        **more,
    }
    with override_settings(HOLDFAST={**settings.HOLDFAST, "alerts": stated}):
        yield


def wait(length: timedelta) -> None:
    """Let so much time pass for the messages."""
    for row in AlertNotice.objects.using(alias()):
        row.made_at -= length
        if row.tried_at:
            row.tried_at -= length
        row.save(using=alias())
