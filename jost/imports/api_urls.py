"""Where the REST resources of imports are."""

from rest_framework.routers import SimpleRouter

from . import api

app_name = "imports-api"

router = SimpleRouter()
router.register("", api.ImportViewSet, basename="import")

urlpatterns = router.urls
