"""HOLDFAST = {...}: defaults, refusals that carry their repair, and one reading per process."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from holdfast.conf import Settings, get_settings, read
from holdfast.exceptions import ConfigurationError


def test_no_setting_is_required() -> None:
    assert read({}) == Settings()


def test_defaults_keep_the_promise_of_recovery() -> None:
    settings = Settings()
    assert settings.lease_seconds + settings.sweep_seconds <= 35
    assert settings.beat_seconds * 2 < settings.lease_seconds
    assert settings.publish_timeout_seconds * 2 <= 1
    assert settings.max_lost_attempts == 3


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [("lease_second", "lease_seconds"), ("datbase", "database"), ("grace_second", "grace_seconds")],
)
def test_misspelt_key_is_refused_with_the_nearest_one(wrong: str, meant: str) -> None:
    with pytest.raises(ConfigurationError, match=f"did you mean '{meant}'"):
        read({wrong: 1})


def test_unknown_key_is_refused_with_all_known_ones() -> None:
    with pytest.raises(ConfigurationError) as refused:
        read({"zzz": 1})
    assert all(field.name in str(refused.value) for field in fields(Settings))


@pytest.mark.parametrize("value", [0, -1, "30", None])
@pytest.mark.parametrize("key", ["lease_seconds", "sweep_seconds", "max_lost_attempts"])
def test_value_out_of_range_is_refused_with_the_repair(key: str, value: object) -> None:
    with pytest.raises(ConfigurationError, match=rf"{key}.*remove it for the default"):
        read({key: value})


def test_refusal_is_what_django_shows_for_settings() -> None:
    assert issubclass(ConfigurationError, ImproperlyConfigured)


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        Settings().database = "other"  # type: ignore[misc]


def test_keys_of_a_list_become_a_tuple() -> None:
    assert read({"signing_keys": ["new", "old"]}).signing_keys == ("new", "old")


def test_changed_settings_are_read_again() -> None:
    with override_settings(HOLDFAST={"lease_seconds": 7}):
        assert get_settings().lease_seconds == 7
        with override_settings(HOLDFAST={"lease_seconds": 8}):
            assert get_settings().lease_seconds == 8
        assert get_settings() is get_settings()


@pytest.mark.parametrize("value", [2.5, True, "4"])
def test_number_of_threads_is_a_whole_one(value: object) -> None:
    with pytest.raises(ConfigurationError, match="async_desks"):
        read({"async_desks": value})


@pytest.mark.parametrize("key", ["alive_file", "ready_file", "scheduler_alive_file"])
def test_whoever_starts_a_process_says_where_its_signs_lie(
    monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv(f"HOLDFAST_{key.upper()}", "/run/here")
    with override_settings(HOLDFAST={key: "/run/there"}):
        assert getattr(get_settings(), key) == "/run/here"
    monkeypatch.setenv(f"HOLDFAST_{key.upper()}", "")
    with override_settings(HOLDFAST={key: "/run/there"}):
        assert getattr(get_settings(), key) == "/run/there"


def test_whoever_starts_a_process_says_how_long_its_stop_may_take(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOLDFAST_STOP_SECONDS", "570")
    with override_settings(HOLDFAST={"stop_seconds": 5}):
        assert get_settings().stop_seconds == 570.0


@pytest.mark.parametrize("value", ["soon", -1, True, None])
def test_bound_of_a_stop_is_a_number_of_seconds(value: object) -> None:
    with pytest.raises(ConfigurationError, match=r"stop_seconds.*number of seconds"):
        read({"stop_seconds": value})


@pytest.mark.parametrize("said", [["database"], "on", None, 1])
def test_settings_that_are_no_dictionary_are_refused(said: object) -> None:
    with (
        override_settings(HOLDFAST=said),
        pytest.raises(ConfigurationError, match=r"HOLDFAST is .* must be a dictionary"),
    ):
        get_settings()


@pytest.mark.parametrize("key", ["durable", "prepare_statements", "tracing", "console_read_only"])
def test_text_is_no_switch(key: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"\['{key}'\] is 'false': it must be True or"):
        read({key: "false"})


def test_token_that_is_no_text_is_refused_and_not_shown() -> None:
    with pytest.raises(ConfigurationError, match="metrics_token") as raised:
        read({"metrics_token": 48151623})
    assert "4815" not in str(raised.value)
