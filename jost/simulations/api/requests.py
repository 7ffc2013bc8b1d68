"""What may be asked of the simulations: every field is checked, none is ignored."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from jost.api.strict import StrictSerializer

from .fields import (
    BankrollField,
    BetsField,
    FreshShoeField,
    NameField,
    RoundsField,
    RulesFileField,
    SeedField,
    TargetField,
    usual_fresh_shoe,
    usual_rules,
)


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Six decks, to a target",
            {
                "rules": {"decks": 6, "dealer_hits_soft_17": True},
                "rounds": 100000000,
                "seed": 1,
                "target": 0.0001,
                "name": "House game",
            },
            request_only=True,
        )
    ]
)
class StartSerializer(StrictSerializer):
    """A request to simulate; with the seed, the answer depends on nothing but what stands here."""

    rules = RulesFileField(default=usual_rules)
    rounds = RoundsField()
    seed = SeedField()
    target = TargetField()
    name = NameField()


@extend_schema_serializer(
    examples=[OpenApiExample("A billion more", {"more": 1000000000}, request_only=True)]
)
class ExtendSerializer(StrictSerializer):
    """Where a simulation is to go on to, in the same random streams: either of the two."""

    rounds = RoundsField(required=False, help_text="So many rounds in all.")
    more = RoundsField(required=False, help_text="So many rounds on top of those it was asked for.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if len(attrs) != 1:
            raise serializers.ValidationError(
                {"rounds": ["Say either rounds, in all, or more, on top of those there are."]}
            )
        return attrs


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Another bankroll",
            {"bets": {"unit": 25}, "bankroll": {"units": 1000, "hours": 100}},
            request_only=True,
        )
    ]
)
class WhatIfSerializer(StrictSerializer):
    """Other bets and another bankroll, as a rules file has them; what is left out stays."""

    bets = BetsField(required=False, allow_null=True)
    bankroll = BankrollField(required=False, allow_null=True)


@extend_schema_serializer(
    examples=[OpenApiExample("Two decks", {"rules": {"decks": 2}}, request_only=True)]
)
class ChartSerializer(StrictSerializer):
    """The game whose strategy is meant."""

    rules = RulesFileField(default=usual_rules)


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "An infinite shoe",
            {"rules": {"decks": 0, "double_after_split": False, "max_hands": 2}},
            request_only=True,
        )
    ]
)
class ExactSerializer(StrictSerializer):
    """The game that is meant; one that does not say how it is dealt has fresh shoes."""

    rules = FreshShoeField(default=usual_fresh_shoe)
