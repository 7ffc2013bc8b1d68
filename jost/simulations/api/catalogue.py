"""What a rules file may name: presets of common games, counting systems, sets of index plays."""

from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from jost.simulations.engine.counting import CARDS, SYSTEMS, TITLES, Count
from jost.simulations.engine.plays import SETS
from jost.simulations.presets import PRESETS

from .documents import INDEX_PLAYS, RULES_FILE
from .refusals import PathView


@extend_schema_field(RULES_FILE)
class GivenRulesField(serializers.JSONField):
    """Rules as they stand."""


@extend_schema_field(INDEX_PLAYS)
class GivenPlaysField(serializers.JSONField):
    """Index plays as they stand."""


class PresetSerializer(serializers.Serializer[dict[str, Any]]):
    """Rules to begin with."""

    key = serializers.CharField()
    name = serializers.CharField()
    sentence = serializers.CharField()
    rules = GivenRulesField()


class TagsSerializer(serializers.Serializer[dict[str, Any]]):
    """A counting system as a rules file would have it written out."""

    key = serializers.CharField(help_text="What a rules file says under counting.")
    title = serializers.CharField()
    tags = serializers.DictField(
        child=serializers.FloatField(), help_text="By card; 10 stands for every face as well."
    )
    true_count = serializers.ChoiceField(["floor", "truncate", "none"])
    initial = serializers.IntegerField(help_text="The running count of a new shoe: this, and")
    initial_per_deck = serializers.IntegerField(help_text="this for every deck.")


class PlaySetSerializer(serializers.Serializer[dict[str, Any]]):
    """Index plays that go by one name."""

    key = serializers.CharField(help_text="What a rules file says in index_plays.")
    plays = GivenPlaysField()


class PresetsView(PathView):
    @extend_schema(
        summary="List presets of common games",
        responses={200: PresetSerializer(many=True)},
    )
    def get(self, _request: Request) -> Response:
        return Response([preset.to_dict() for preset in PRESETS.values()])


class CountingSystemsView(PathView):
    @extend_schema(summary="List the counting systems", responses={200: TagsSerializer(many=True)})
    def get(self, _request: Request) -> Response:
        return Response([_written_out(system) for system in SYSTEMS.values()])


class IndexPlaysView(PathView):
    @extend_schema(
        summary="List the sets of index plays",
        responses={200: PlaySetSerializer(many=True)},
    )
    def get(self, _request: Request) -> Response:
        return Response(
            [
                {"key": key, "plays": [play.to_dict() for play in plays]}
                for key, plays in SETS.items()
            ]
        )


def _written_out(system: Count) -> dict[str, Any]:
    return {
        "key": system.name,
        "title": TITLES[system.name],
        "tags": {card: tag / system.scale for card, tag in zip(CARDS, system.tags, strict=True)},
        "true_count": system.true_count,
        "initial": system.initial,
        "initial_per_deck": system.initial_per_deck,
    }
