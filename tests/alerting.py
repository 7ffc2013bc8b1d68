"""Alerts in tests: what the settings say of them, and a watch over what a test says is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.test import override_settings

from holdfast.alerts.deciding import Sign
from holdfast.alerts.stated import Rule
from holdfast.alerts.watching import Watch
from tests.receivers import Web

SIGN = Sign(subject="queue mail", summary="Queue mail is old.", path="queues/mail/")


class Watched:
    """A watch over what a test says is wrong, by the rule's name; of other rules nothing is."""

    def __init__(self) -> None:
        self.signs: dict[str, list[Sign]] = {}
        self.asked: list[str] = []
        self.watch = Watch(look=self.look)

    def look(self, rule: Rule) -> list[Sign]:
        self.asked.append(rule.name)
        return list(self.signs.get(rule.name, []))

    def finds(self, *signs: Sign, by: str) -> None:
        """Look once, and find this by a rule."""
        self.signs[by] = list(signs)
        self.watch.one_pass()


@contextmanager
def stated(receiver: Web | None, *names: str, **more: Any) -> Iterator[None]:
    """Have webhooks of these names as channels, and no rules but those named; without a receiver nobody answers."""
    url = "http://127.0.0.1:9" if receiver is None else receiver.url
    said = {
        "channels": {
            name: {"kind": "webhook", "url": f"{url}/{name}", "secret": "hush"} for name in names
        },
        "rules": [],
        **more,
    }
    with override_settings(HOLDFAST={**settings.HOLDFAST, "alerts": said}):
        yield
