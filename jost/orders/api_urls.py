"""Where the REST resources of orders are."""

from rest_framework.routers import SimpleRouter

from . import api

app_name = "orders-api"

router = SimpleRouter()
router.register("products", api.ProductViewSet, basename="product")
router.register("", api.OrderViewSet, basename="order")

urlpatterns = router.urls
