"""What an attempt logs is capped in lines and bytes, and what is not the body's is left out."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

import pytest
from celery.utils.log import get_task_logger
from django.test import override_settings

from holdfast.conf import read
from holdfast.exceptions import ConfigurationError
from holdfast.policies.log_lines import AttemptHandler, Lines, gathering, new_lines


@pytest.fixture(autouse=True)
def loud() -> Iterator[None]:
    """Let every logger speak, as a worker's do."""
    root, task = logging.getLogger(), logging.getLogger("celery.task")
    before = (root.level, root.handlers[:], task.handlers[:], task.propagate)
    root.setLevel(logging.DEBUG)
    yield
    root.setLevel(before[0])
    root.handlers[:], task.handlers[:], task.propagate = before[1:]


def lines_of(most: int, said: list[str], size: int = 10_000) -> list[str]:
    lines = Lines(most=most, size=size, level=0)
    for line in said:
        lines.add(line)
    return lines.text().split("\n")


@pytest.mark.parametrize(
    ("most", "kept"),
    [
        (4, ["0", "1", "... 6 lines left out", "8", "9"]),
        (5, ["0", "1", "2", "... 5 lines left out", "8", "9"]),
        (1, ["0", "... 9 lines left out"]),
        (10, list("0123456789")),
    ],
)
def test_first_and_last_lines_are_kept(most: int, kept: list[str]) -> None:
    assert lines_of(most, list("0123456789")) == kept


def test_bytes_are_bounded_too_and_a_long_line_is_cut() -> None:
    said = [f"{number:03} " + "ä" * 40 for number in range(100)]
    kept = lines_of(100, said, size=1000)
    assert len("\n".join(kept).encode()) <= 1000 + len("... 1000 lines left out")
    assert (kept[0], kept[-1]) == (said[0], said[-1])
    (long,) = lines_of(100, ["ä" * 10_000], size=1000)
    assert long.startswith("ä" * 100)
    assert long.endswith("bytes left out")
    assert len(long.encode()) < 300


def test_line_that_no_database_could_keep_is_mended() -> None:
    assert lines_of(5, ["a\0b \udcff"]) == ["a\ufffdb \\udcff"]


def gathered(level: str = "INFO", **settings: Any) -> Any:
    with override_settings(HOLDFAST={"log_level": level, **settings}):
        return new_lines()


def test_lines_of_the_body_are_kept_once_whatever_logger_says_them() -> None:
    lines = gathered()
    with gathering(lines):
        logging.getLogger("shop").info("sold %s", 3)
        get_task_logger("shop.tasks").warning("few left")
        logging.getLogger("celery.task").propagate = True
        get_task_logger("shop.tasks").warning("none left")
        logging.getLogger("shop").debug("too low")
        logging.getLogger("celery.app.trace").info("Celery's own")
        logging.getLogger("holdfast.attempt").info("ours")
        logging.getLogger("holdfasting").info("somebody else's")
    logging.getLogger("shop").info("after the body")
    said = [
        line.partition(" INFO ")[2] or line.split(" WARNING ")[1]
        for line in lines.text().split("\n")
    ]
    assert said == [
        "shop: sold 3",
        "shop.tasks: few left",
        "shop.tasks: none left",
        "holdfasting: somebody else's",
    ]


def test_error_is_kept_with_its_traceback() -> None:
    lines = gathered("ERROR")
    with gathering(lines):
        logging.getLogger("shop").warning("lower")
        try:
            raise ValueError("broken")
        except ValueError:
            logging.getLogger("shop").exception("failed")
    said = lines.text()
    assert "ERROR shop: failed" in said
    assert said.endswith("ValueError: broken")
    assert "lower" not in said


def test_line_that_cannot_be_written_costs_the_line_and_not_the_job(
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Unspeakable:
        def __str__(self) -> str:
            raise RuntimeError("no words")

    handler, logger = AttemptHandler(), logging.getLogger("quiet")
    lines = gathered()
    logger.propagate = False
    logger.addHandler(handler)
    with gathering(lines):
        logger.info("%s", Unspeakable())
        logger.info("spoken")
    logger.removeHandler(handler)
    assert lines.text() == "spoken"
    assert "no words" in capsys.readouterr().err


def test_each_attempt_has_its_own_lines_also_in_threads() -> None:
    def body(name: str) -> str:
        lines = gathered()
        with gathering(lines):
            for _ in range(50):
                logging.getLogger("shop").info(name)
        return str(lines.text())

    with ThreadPoolExecutor(4) as pool:
        names = [f"job{number}" for number in range(8)]
        found = [pool.submit(copy_context().run, body, name) for name in names]
    for name, future in zip(names, found, strict=True):
        lines = future.result().split("\n")
        assert len(lines) == 50
        assert all(line.endswith(name) for line in lines)


def test_nothing_is_gathered_where_it_is_switched_off() -> None:
    assert gathered(log_lines=0) is None
    with gathering(None):
        logging.getLogger("shop").info("into the void")


@pytest.mark.parametrize(
    ("bad", "repair"),
    [
        ({"log_lines": -1}, "a whole number, and 0"),
        ({"log_lines": 1.5}, "a whole number"),
        ({"log_bytes": 0}, "greater than 0"),
        ({"log_level": "LOUD"}, "name of a level: .*WARNING"),
        ({"log_level": 20}, "name of a level"),
    ],
)
def test_setting_that_makes_no_sense_is_refused(bad: dict[str, Any], repair: str) -> None:
    with pytest.raises(ConfigurationError, match=repair):
        read(bad)
