"""Where the REST resources of the simulations are."""

from rest_framework.routers import SimpleRouter

from .api import SimulationViewSet

app_name = "simulations-api"

router = SimpleRouter()
router.register("", SimulationViewSet, basename="simulation")

urlpatterns = router.urls
