"""Where the page of the demo is."""

from django.urls import path

from . import views

app_name = "demo"

urlpatterns = [
    path("", views.index, name="index"),
    path("figures/", views.figures, name="figures"),
    path("break/<str:kind>/", views.break_it, name="break"),
]
