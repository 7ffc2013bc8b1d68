"""What several requests have in common: a rules file, bets, rounds."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from jost.simulations.engine import MAX_ROUNDS, MAX_SEED, MIN_ROUNDS, RulesError
from jost.simulations.numbers import MAX_TARGET, MIN_TARGET, parse_rounds
from jost.simulations.setup import Setup

from .documents import BANKROLL, BETS, RULES_FILE


@extend_schema_field(RULES_FILE)
class RulesFileField(serializers.Field[Setup, Any, Any, Any]):
    """A whole rules file; becomes a `Setup`."""

    default_error_messages = {"null": 'A rules file is an object such as {{"decks": 6}}.'}

    def to_internal_value(self, data: Any) -> Setup:
        try:
            return Setup.from_dict(data)
        except RulesError as error:
            # A file that is none at all is named by the field itself.
            detail = [str(error)]
            whole = error.field == "rules"
            raise serializers.ValidationError(detail if whole else {error.field: detail}) from None

    def to_representation(self, value: Setup) -> dict[str, Any]:
        return value.to_dict()


class FreshShoeField(RulesFileField):
    """A rules file that is dealt from fresh shoes, unless it says otherwise."""

    def to_internal_value(self, data: Any) -> Setup:
        if isinstance(data, dict):
            data = {"dealing": {"mode": "every_round"}, **data}
        return super().to_internal_value(data)


def usual_fresh_shoe() -> Setup:
    """What is meant where nothing at all is given for an exact value."""
    return Setup.from_dict({"dealing": {"mode": "every_round"}})


def usual_rules() -> Setup:
    """What is meant where no rules are given: all that a rules file leaves out."""
    return Setup.from_dict({})


@extend_schema_field(BETS)
class BetsField(serializers.JSONField):
    """`bets` of a rules file, checked with the rest of it."""


@extend_schema_field(BANKROLL)
class BankrollField(serializers.JSONField):
    """`bankroll` of a rules file, checked with the rest of it."""


class RoundsField(serializers.IntegerField):
    """A number of rounds, also as people write it: "1e8"."""

    def __init__(self, **options: Any) -> None:
        super().__init__(min_value=MIN_ROUNDS, max_value=MAX_ROUNDS, **options)

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, bool):
            self.fail("invalid")
        if isinstance(data, str):
            try:
                return parse_rounds(data)
            except ValueError as error:
                raise serializers.ValidationError(str(error)) from None
        return super().to_internal_value(data)


class SeedField(serializers.IntegerField):
    """A seed, or null for a new one."""

    def __init__(self) -> None:
        super().__init__(
            min_value=0,
            max_value=MAX_SEED,
            default=None,
            allow_null=True,
            help_text="Left out: a new one, which the answer names.",
        )


class TargetField(serializers.FloatField):
    """The half-width at which a simulation may stop before its rounds are counted."""

    def __init__(self) -> None:
        super().__init__(
            min_value=MIN_TARGET,
            max_value=MAX_TARGET,
            default=None,
            allow_null=True,
            help_text="Stop as soon as half the width of the 95 % interval of ev is at most this, "
            "judged by the finished chunks in their order; rounds is then the most.",
        )

    def to_internal_value(self, data: Any) -> float:
        if isinstance(data, bool):
            self.fail("invalid")
        return super().to_internal_value(data)


class NameField(serializers.CharField):
    """What people call it."""

    def __init__(self) -> None:
        super().__init__(
            default="", allow_blank=True, max_length=200, help_text="Shown in lists and titles."
        )
