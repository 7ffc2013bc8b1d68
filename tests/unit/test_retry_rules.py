"""Retry rules: the first that matches decides, within its limits; bad ones are refused with the repair."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from kombu.utils.json import dumps

from holdfast import Celery, Never, Rule
from holdfast.exceptions import ConfigurationError
from holdfast.policies.retry_rules import Decision, check, decide, of_call

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
RULES = [
    Never(PermissionError),
    Rule(ConnectionError, TimeoutError, max=2, backoff=4.0, backoff_max=10.0, jitter=False),
    Rule(OSError, max=None, jitter=False),
]


def ask(
    error: Exception,
    rules: Any = RULES,
    *,
    counted: dict[str, int] | None = None,
    retries: int = 0,
    max_retries: int | None = None,
) -> Decision:
    return decide(rules, error, counted=counted or {}, retries=retries, max_retries=max_retries)


@pytest.mark.parametrize(
    ("error", "number"),
    [
        (PermissionError(), 0),
        (ConnectionResetError(), 1),
        (TimeoutError(), 1),
        (FileNotFoundError(), 2),
        (ValueError(), None),
    ],
)
@pytest.mark.parametrize("travelled", [False, True])
def test_first_rule_that_matches_decides_also_after_it_travelled(
    error: Exception, number: int | None, travelled: bool
) -> None:
    rules = of_call(json.loads(dumps(RULES))) if travelled else RULES
    found = ask(error, rules)
    assert found.rule is (None if number is None else rules[number])
    assert found.retry == (number in {1, 2})
    assert not found.exhausted
    assert type(error).__name__ in found.why


def test_rule_waits_twice_as_long_each_time_up_to_its_bound_and_gives_up_in_the_end() -> None:
    rule = RULES[1]
    assert [rule.longest_backoff(n) for n in (0, 1, 2, 5000)] == [4.0, 8.0, 10.0, 10.0]
    waits = [ask(TimeoutError(), counted={rule.key: n}) for n in range(3)]
    assert [found.wait for found in waits[:2]] == [4.0, 8.0]
    assert (waits[2].retry, waits[2].exhausted) == (False, True)
    assert "retried 2 times, and not again" in waits[2].why
    other = ask(FileNotFoundError(), counted={rule.key: 99}, retries=99)
    assert other.retry, "each rule counts for itself"


def test_max_retries_of_the_task_holds_for_all_rules_together() -> None:
    found = ask(FileNotFoundError(), retries=5, max_retries=5)
    assert (found.retry, found.exhausted) == (False, True)
    assert "max_retries is 5" in found.why
    assert not ask(FileNotFoundError(), max_retries=0).exhausted


def test_full_jitter_waits_anything_up_to_the_backoff() -> None:
    rule = Rule(ValueError, backoff=100.0)
    waits = [float(str(ask(ValueError(), [rule]).wait)) for _ in range(200)]
    assert all(0 <= wait <= 100 for wait in waits)
    assert min(waits) < 25
    assert max(waits) > 75


def refusing(said: Any) -> Exception:
    error = ValueError("slow down")
    vars(error).update(retry_after=said)
    return error


def test_wait_that_was_asked_for_is_kept_within_its_bound_and_the_backoff_comes_on_top() -> None:
    rule = Rule(ValueError, backoff=2.0, jitter=False, retry_after_max=60.0)
    assert ask(refusing(30), [rule]).wait == 32.0
    assert ask(refusing(9999), [rule]).wait == 62.0
    until = ask(refusing(NOON), [rule])
    assert (until.wait, until.longest) == (NOON + timedelta(seconds=2), 62.0)
    assert "Retry-After" in until.why
    assert ask(refusing("soon"), [rule]).wait == 2.0
    deaf = Rule(ValueError, backoff=2.0, jitter=False, honour_retry_after=False)
    assert ask(refusing(30), [deaf]).wait == 2.0


@pytest.mark.parametrize(
    ("said", "wait"),
    [(7, 7.0), (timedelta(hours=2), 7200.0), (NOON, NOON), (None, 32.0), ("7", 32.0), (True, 32.0)],
)
def test_function_of_a_rule_says_how_long_or_has_no_opinion(
    said: Any, wait: Any, caplog: pytest.LogCaptureFixture
) -> None:
    rule = Rule(ValueError, backoff=2.0, jitter=False, after=lambda error: said)
    with caplog.at_level(logging.ERROR, "holdfast.attempt"):
        assert ask(refusing(30), [rule]).wait == wait
    assert bool(caplog.records) == (said is True or said == "7"), "what makes no sense is told"


def test_function_of_a_rule_that_fails_costs_no_retry(caplog: pytest.LogCaptureFixture) -> None:
    rule = Rule(ValueError, backoff=2.0, jitter=False, after=lambda error: error.nothing)
    assert ask(ValueError(), [rule]).wait == 2.0
    assert "the backoff is taken" in caplog.text


@pytest.mark.parametrize(
    ("make", "repair"),
    [
        (Rule, "no class of exceptions"),
        (lambda: Rule("ValueError"), "classes of exceptions"),  # type: ignore[arg-type]
        (lambda: Rule((ValueError, TypeError)), "classes of exceptions"),  # type: ignore[arg-type]
        (lambda: Rule(KeyboardInterrupt), "classes of exceptions"),  # type: ignore[arg-type]
        (lambda: Rule(ValueError, max=-1), "whole number"),
        (lambda: Rule(ValueError, max=True), "whole number"),
        (lambda: Rule(ValueError, backoff=-1), "seconds, 0 or more"),
        (lambda: Rule(ValueError, backoff_max=float("inf")), "seconds, 0 or more"),
        (lambda: Rule(ValueError, backoff=601), "at least the first"),
        (lambda: Rule(ValueError, after=3), "a function"),  # type: ignore[arg-type]
        (lambda: check(Rule(ValueError), whose="t"), "Give a list"),
        (lambda: check([ValueError], whose="t"), "is no rule"),
        (lambda: check([Rule(OSError), Rule(TimeoutError)], whose="t"), "narrower rule before"),
        (lambda: check([Rule(OSError), Never(OSError)], whose="t"), "can never match"),
        (lambda: dumps([Rule(ValueError, after=len)]), "do not travel"),
    ],
)
def test_rule_that_cannot_be_followed_is_refused_with_the_repair(make: Any, repair: str) -> None:
    with pytest.raises(ConfigurationError, match=repair):
        make()


def test_rules_beside_autoretry_for_are_refused_when_the_task_is_registered() -> None:
    app = Celery("rules", broker="redis://127.0.0.1:1/0", set_as_current=False)

    def body() -> None:
        """Be the function of a task."""

    register = app.task(
        lazy=False, shared=False, autoretry_for=(OSError,), retry_rules=[Rule(OSError)]
    )
    with pytest.raises(ConfigurationError, match=r"retry_rules=\[Rule\(ConnectionError\)\]"):
        register(body)
