"""The reference of the commands is that of the code."""

from __future__ import annotations

from tests.docs import commands


def test_reference_of_the_commands_is_up_to_date() -> None:
    assert commands.PAGE.read_text() == commands.page(), "run python -m tests.docs.commands --write"
