"""Where the pages of reports are."""

from django.urls import path

from . import views

app_name = "reports"

urlpatterns = [
    path("", views.index, name="index"),
    path("<int:number>/", views.detail, name="detail"),
    path("files/<str:token>/", views.download, name="file"),
]
