"""Where the pages of leads are."""

from django.urls import path

from . import views

app_name = "leads"

urlpatterns = [
    path("", views.index, name="index"),
    path("<int:number>/", views.detail, name="detail"),
    path("<int:number>/move/", views.move, name="move"),
    path("rules/", views.rules, name="rules"),
    path("rules/<int:number>/", views.rules, name="rule"),
    path("rules/<int:number>/switch/", views.switch, name="switch"),
]
