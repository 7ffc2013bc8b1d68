"""What the tests of leads share: gateways that are told what goes wrong and remember what was sent."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

from django.test import TestCase

from holdfast.testing import HoldfastJobsMixin
from jost.gateways.clients import Gateway, GatewayError

PHONE = "+4930123456"


class Sent:
    """Stands for a gateway: what was sent, by key. Real ones are in tests/integration."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.errors: list[GatewayError] = []
        self.answers_lost = 0

    def send(self, _gateway: Any, *, key: str, **_content: Any) -> int:
        if self.errors:
            raise self.errors.pop(0)
        self.keys.append(key)
        if self.answers_lost:
            self.answers_lost -= 1
            raise GatewayError("no answer", may_have_happened=True, retry_after=60)
        return len(self.keys)

    def find(self, _gateway: Any, key: str) -> int | None:
        return self.keys.index(key) + 1 if key in self.keys else None


class GatewayCase(HoldfastJobsMixin, TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.sent = sent = Sent()
        for name, function in (("send", sent.send), ("find", sent.find)):
            patched = patch.object(Gateway, name, autospec=True, side_effect=function)
            patched.start()
            self.addCleanup(patched.stop)

    def drain(self) -> None:
        self.holdfast_jobs.drain()

    def sms_keys(self) -> list[str]:
        return [key for key in self.sent.keys if key.startswith("followup:")]
