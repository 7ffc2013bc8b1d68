"""Where the pages of leads are."""

from django.urls import path

from . import views

app_name = "leads"

urlpatterns = [
    path("", views.index, name="index"),
    path("add/", views.add, name="add"),
    path("<int:number>/", views.detail, name="detail"),
    path("<int:number>/move/", views.move, name="move"),
]
