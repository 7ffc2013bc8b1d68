"""JOST's pages and API; loaded by the web process."""

from django.conf import settings
from django.contrib import admin
from django.contrib.auth.views import LogoutView
from django.urls import URLPattern, URLResolver, include, path
from drf_spectacular.views import (
    SpectacularAPIView,
    SpectacularRedocView,
    SpectacularSwaggerView,
)

from holdfast.urls import metrics
from jost.accounts.views import SignInView
from jost.home import home

handler404 = "jost.api.refusals.not_found"

urlpatterns: list[URLPattern | URLResolver] = [
    path("", home, name="home"),
    path("login/", SignInView.as_view(), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("accounts/", include("jost.accounts.urls")),
    path("api/accounts/", include("jost.accounts.api_urls")),
    path("imports/", include("jost.imports.urls")),
    path("api/imports/", include("jost.imports.api_urls")),
    path("lead/", include("jost.leads.api_urls")),
    path("orders/", include("jost.orders.urls")),
    path("api/orders/", include("jost.orders.api_urls")),
    path("leads/", include("jost.leads.urls")),
    path("reports/", include("jost.reports.urls")),
    path("api/reports/", include("jost.reports.api_urls")),
    path("simulations/", include("jost.simulations.urls")),
    path("api/", include("jost.api.urls")),
    path("api/simulations/", include("jost.simulations.api.urls")),
    path("holdfast/", include("holdfast.urls")),
    path("demo/", include("jost.demo.urls")),
    path("health/", include("holdfast.health.urls")),
    path("metrics", metrics, name="metrics"),
    path("admin/", admin.site.urls),
]

debug_urlpatterns: list[URLPattern | URLResolver] = [
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerView.as_view(url_name="schema"), name="swagger"),
    path("api/redoc/", SpectacularRedocView.as_view(url_name="schema"), name="redoc"),
]

if settings.DEBUG:
    urlpatterns += debug_urlpatterns
