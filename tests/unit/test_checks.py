"""The checks of Celery's settings that nothing else shows: which value is found, and what the repair is."""

from __future__ import annotations

import ssl
from types import SimpleNamespace
from typing import Any

import pytest
from celery import local
from django.core.checks.registry import registry
from django.test import override_settings

from holdfast import Celery, checks
from holdfast.broker import addresses, places
from holdfast.broker.transport import Transport
from holdfast.conf import read
from holdfast.exceptions import ConfigurationError


def _found(id: str, **settings: Any) -> list[str]:
    app = Celery("checked", broker="redis://127.0.0.1:1/0", set_as_current=False)
    app.conf.update(settings)
    return [message.hint or "" for message in checks._check_conf(app.conf) if message.id == id]


@pytest.mark.parametrize(
    ("settings", "repair"),
    [
        ({"broker_connection_max_retries": 0}, "None"),
        ({"broker_connection_retry": False}, "Remove it"),
    ],
)
def test_worker_that_would_end_at_the_first_lost_connection_is_found(
    settings: dict[str, Any], repair: str
) -> None:
    (hint,) = _found(checks.GIVES_UP, **settings)
    assert repair in hint


@pytest.mark.parametrize("retries", [None, 100])
def test_worker_that_tries_again_is_not_found(retries: int | None) -> None:
    assert not _found(checks.GIVES_UP, broker_connection_max_retries=retries)


def test_task_to_be_encrypted_without_a_key_is_found_with_its_name() -> None:
    task = SimpleNamespace(name="shop.tasks.file_report", encrypt=True)
    with override_settings(HOLDFAST={}):
        (found,) = checks._check_encrypted([task, SimpleNamespace(name="other")])
    assert (found.id, "shop.tasks.file_report" in found.msg) == (checks.NO_ENCRYPTION_KEY, True)
    with override_settings(HOLDFAST={"encryption_keys": ["A" * 43 + "="]}):
        assert not list(checks._check_encrypted([task]))


@pytest.mark.parametrize(("mode", "found"), [("accept", 1), ("warn", 1), ("refuse", 0)])
def test_mode_that_runs_unsigned_messages_is_found(mode: str, found: int) -> None:
    with override_settings(HOLDFAST={"unsigned": mode}):
        assert [message.id for message in checks.check_unsigned()] == [checks.UNSIGNED_RUN] * found


def test_unknown_mode_is_refused_with_those_there_are() -> None:
    with pytest.raises(ConfigurationError, match="accept, warn, refuse"):
        read({"unsigned": "reject"})


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("redis://clustercfg.jobs.abc.use1.cache.example.com:6379/0", addresses.REDIS_CLUSTER),
        ("redis+cluster://10.0.0.1:6379", addresses.REDIS_CLUSTER),
        ("redis://10.0.0.1;redis://clustercfg.jobs:6379", addresses.REDIS_CLUSTER),
        ("sqs://", addresses.OTHER_BROKER),
        ("redis://10.0.0.1:6379/0", None),
        ("rediss://:word@10.0.0.1:6379/0", None),
        ("sentinel://10.0.0.1:26379;sentinel://10.0.0.2:26379", addresses.NO_MASTER_NAME),
        ("amqps://user:word@10.0.0.1//", None),
    ],
)
def test_broker_that_cannot_hold_the_promises_is_found(url: str, found: str | None) -> None:
    ids = {addresses.REDIS_CLUSTER, addresses.NO_MASTER_NAME, addresses.OTHER_BROKER}
    assert {id for id in ids if _found(id, broker_url=url)} == ({found} if found else set())


@pytest.mark.parametrize(
    ("url", "port"),
    [
        ("redis://10.0.0.1:63790000/0", "63790000"),
        ("redis://:hunter2@10.0.0.1:65536", "65536"),
        ("redis://10.0.0.1:6379/0;redis://[::1]:70000/0", "70000"),
        ("redis://:hunter2/99999@10.0.0.1:6379/0", ""),
        ("redis://10.0.0.1:65535/99999", ""),
        ("redis://10.0.0.1:${PORT}/0", ""),
        # Part of a password that should have been encoded.
        ("redis://user:99999/hunter2@10.0.0.1/0", ""),
    ],
)
def test_port_that_cannot_be_is_named_without_the_password(url: str, port: str) -> None:
    app = Celery("checked", broker=url, set_as_current=False)
    found = [one for one in checks._check_conf(app.conf) if one.id == addresses.NO_SUCH_PORT]
    assert len(found) == bool(port)
    assert all(f"its port is {port}, and 65535" in one.msg for one in found)
    assert not any("hunter2" in one.msg for one in found)
    assert bool(port) == any("65535" in place.wrong for place in map(places.read, url.split(";")))


def test_sentinels_that_are_asked_for_a_master_by_name_are_not_found() -> None:
    named = {"broker_transport_options": {"master_name": "jobs"}}
    assert not _found(addresses.NO_MASTER_NAME, broker_url="sentinel://10.0.0.1:26379", **named)


@pytest.mark.parametrize(
    ("url", "use_ssl", "found"),
    [
        ("rediss://10.0.0.1:6379/0", None, True),
        ("rediss://10.0.0.1:6379/0?ssl_cert_reqs=none", None, True),
        ("rediss://10.0.0.1:6379/0?ssl_cert_reqs=CERT_NONE", None, True),
        ("rediss://10.0.0.1:6379/0?ssl_cert_reqs=required", None, False),
        ("rediss://10.0.0.1:6379/0?ssl_ca_certs=/ca.pem", None, False),
        ("rediss://10.0.0.1:6379/0", {"ssl_cert_reqs": ssl.CERT_NONE}, True),
        ("rediss://10.0.0.1:6379/0", {"ssl_ca_certs": "/ca.pem"}, False),
        ("sentinel://10.0.0.1:26379", {"ssl_cert_reqs": "none"}, True),
        ("sentinel://10.0.0.1:26379", None, False),
        ("redis://10.0.0.1:6379/0", None, False),
    ],
)
def test_certificate_that_nobody_verifies_is_found(
    url: str, use_ssl: dict[str, Any] | None, found: bool
) -> None:
    app = Celery("checked", broker=url, set_as_current=False)
    app.conf.broker_use_ssl = use_ssl
    assert [message.id for message in addresses.check_tls(app.conf)] == [
        addresses.TLS_UNVERIFIED
    ] * found


def test_connection_that_turns_to_another_host_stays_on_the_transport_of_holdfast() -> None:
    urls = "redis://10.0.0.1;redis://10.0.0.2"
    app = Celery("checked", broker=urls, set_as_current=False)
    for connection in (app.connection_for_read(), app.connection_for_write().clone()):
        first = connection.hostname
        connection.maybe_switch_next()
        assert connection.hostname != first
        assert connection.get_transport_cls() is Transport


@pytest.mark.parametrize(
    ("stated", "says"),
    [(7, "holdfast.Limit"), ({"concurency": 1}, "concurency"), ({"concurrency": 0}, "from 1 on")],
)
def test_limit_of_a_queue_that_nobody_can_keep_is_found(stated: Any, says: str) -> None:
    with override_settings(HOLDFAST={"queue_limits": {"mail": stated}}):
        (found,) = checks.check_queue_limits()
    assert (found.id, says in found.msg) == (checks.BAD_SETTING, True)
    with override_settings(HOLDFAST={"queue_limits": {"mail": {"concurrency": 1}}}):
        assert checks.check_queue_limits() == []


def test_wrong_setting_is_a_finding_where_nothing_was_sent_yet(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app = Celery("young", broker="redis://127.0.0.1:1/0", set_as_current=False)
    monkeypatch.setattr(checks, "current_app", local.Proxy(lambda: app))
    with override_settings(HOLDFAST={"deplyo": 1}):
        found = [*checks.check_settings(), *checks.check_celery()]
    assert [message.id for message in found if "deplyo" in message.msg] == [checks.BAD_SETTING]


@pytest.mark.parametrize(
    "wrong",
    [{"deplyo": 1}, {"alerts": {"chanels": {}}}, {"queue_limits": {"mail": {"concurency": 1}}}],
)
def test_wrong_key_is_said_once_by_all_checks_together(wrong: dict[str, Any]) -> None:
    ours = [
        check
        for check in registry.get_checks(include_deployment_checks=True)
        if check.__module__.startswith("holdfast.")
    ]
    with override_settings(HOLDFAST=wrong):
        found = [
            message for check in ours for message in check(app_configs=None, databases=["default"])
        ]
    assert [message.id for message in found].count(checks.BAD_SETTING) == 1


@pytest.mark.parametrize(("stated", "found"), [({}, 0), ({"CELERY_DB_REUSE_MAX": 5}, 1)])
def test_connections_that_a_project_closes_all_the_time_are_found(
    stated: dict[str, int], found: int
) -> None:
    app = Celery("checked", broker="redis://127.0.0.1:1/0", set_as_current=False)
    app.config_from_object(SimpleNamespace(**stated), namespace="CELERY")
    ids = [message.id for message in checks._check_conf(app.conf)]
    assert ids.count(checks.CONNECTIONS_CLOSED) == found
