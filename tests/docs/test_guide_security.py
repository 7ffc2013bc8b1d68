"""What the guide to security shows is what happens."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.test import override_settings

from holdfast import Celery, events, vault
from holdfast.conf import read
from holdfast.dispatch.redaction import Redaction
from tests.docs.pages import ROOT, examples

BLOCKS = examples(ROOT / "docs" / "guides" / "security.md", language="python")


@pytest.fixture
def app() -> Celery:
    return Celery("guide", broker="redis://127.0.0.1:1/0", set_as_current=False)


def run(block: str, **names: Any) -> dict[str, Any]:
    exec(compile(block, "docs/guides/security.md", "exec"), names)
    return names


def block_with(text: str) -> str:
    (found,) = [block for block in BLOCKS if text in block]
    return found


def test_alarm_of_the_guide_is_heard(capsys: pytest.CaptureFixture[str]) -> None:
    names = run(block_with("def alarm"))
    said = {"kind": "forged ticket", "queue": "celery", "task": "a.b", "job": "1"}
    events.message_suspected.send(sender=None, **said, accepted=False)
    events.message_suspected.send(sender=None, **said, accepted=True)
    events.message_suspected.disconnect(names["alarm"])
    assert capsys.readouterr().out == "forged ticket on celery: says it is a.b\n"


def test_line_of_the_guide_is_what_the_log_shows(app: Celery) -> None:
    names = run(
        block_with("def pay").replace("from celery import shared_task\n", ""), shared_task=app.task
    )
    with override_settings(HOLDFAST=names["HOLDFAST"]):
        shown = Redaction(names["pay"]).text(repr(names["pay"].run("4111", 5)))
    guide = (ROOT / "docs" / "guides" / "security.md").read_text()
    assert f"succeeded in 0.01s: {shown}" in guide


def test_keys_of_the_guide_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    new, old = (Fernet.generate_key().decode() for _ in range(2))
    monkeypatch.setenv("HOLDFAST_KEYS", f"{new},{old}")
    names = run(block_with("HOLDFAST_KEYS"))
    assert read(names["HOLDFAST"]).encryption_keys == (new, old)
    with override_settings(HOLDFAST=names["HOLDFAST"]):
        assert vault.decrypt(*vault.encrypt(b"diagnosis", "utf-8")) == (b"diagnosis", "utf-8")


def test_task_of_the_guide_is_encrypted(app: Celery) -> None:
    names = run(block_with("def file_report"), shared_task=app.task)
    assert names["file_report"].encrypt
