"""Where the pages of imports are."""

from django.urls import path

from . import views

app_name = "imports"

urlpatterns = [
    path("", views.index, name="index"),
    path("<int:number>/", views.detail, name="detail"),
    path("<int:number>/errors/", views.errors, name="errors"),
    path("<int:number>/errors.csv", views.errors_file, name="errors-file"),
    path("<int:number>/cancel/", views.cancel, name="cancel"),
    path("<int:number>/go-on/", views.go_on, name="go-on"),
]
