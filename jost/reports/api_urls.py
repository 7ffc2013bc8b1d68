"""Where the REST resources of reports are."""

from rest_framework.routers import SimpleRouter

from . import api

app_name = "reports-api"

router = SimpleRouter()
router.register("", api.ReportViewSet, basename="report")

urlpatterns = router.urls
