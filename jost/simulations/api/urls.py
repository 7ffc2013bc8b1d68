"""Where the REST resources of the simulations are."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from .catalogue import CountingSystemsView, IndexPlaysView, PresetsView
from .exactly import ChartView, ExactView
from .simulations import SimulationViewSet
from .studies import StudyViewSet

app_name = "simulations-api"

router = SimpleRouter(use_regex_path=False)
router.register("studies", StudyViewSet, basename="study")
router.register("", SimulationViewSet, basename="simulation")

urlpatterns = [
    path("exact/", ExactView.as_view(), name="exact"),
    path("chart/", ChartView.as_view(), name="chart"),
    path("presets/", PresetsView.as_view(), name="presets"),
    path("counting-systems/", CountingSystemsView.as_view(), name="counting-systems"),
    path("index-plays/", IndexPlaysView.as_view(), name="index-plays"),
    *router.urls,
]
