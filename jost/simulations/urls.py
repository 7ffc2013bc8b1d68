"""Where the pages of the simulations are."""

from django.urls import path

from . import views

app_name = "simulations"

urlpatterns = [
    path("", views.index, name="index"),
    path("rows/", views.rows, name="rows"),
    path("<uuid:simulation_id>/", views.detail, name="detail"),
    path("<uuid:simulation_id>/live/", views.live, name="live"),
    path("<uuid:simulation_id>/cancel/", views.cancel, name="cancel"),
]
