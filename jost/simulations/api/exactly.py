"""What needs no simulation: exact values, and the strategy that is computed for rules."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from jost.simulations.engine import RulesError
from jost.simulations.exact import exact
from jost.simulations.exact_report import exact_answer
from jost.simulations.setup import Setup

from .documents import CHART, EXACT_ANSWER
from .refusals import PathView, refused
from .requests import ChartSerializer, ExactSerializer


class ExactView(PathView):
    throttle_scope = "heavy"

    @extend_schema(
        summary="Compute the exact value of a game that is not dealt to a cut card",
        description="The object that `manage.py exact --json` prints. A game that does not say how it is "
        "dealt has a fresh shoe every round; a cut card is refused with the reason.",
        request=ExactSerializer,
        responses={200: EXACT_ANSWER},
    )
    def post(self, request: Request) -> Response:
        asked = ExactSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        setup: Setup = asked.validated_data["rules"]
        try:
            found = exact(setup.game.rules, setup.game.chart)
        except RulesError as error:
            raise refused(error, within="rules") from None
        return Response(exact_answer(setup, found))


class ChartView(PathView):
    throttle_scope = "heavy"

    @extend_schema(
        summary="Compute the basic strategy of a game; rows that its strategy gives stay",
        request=ChartSerializer,
        responses={200: CHART},
    )
    def post(self, request: Request) -> Response:
        asked = ChartSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        setup: Setup = asked.validated_data["rules"]
        return Response(setup.game.chart.to_dict())
