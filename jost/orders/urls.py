"""Where the pages of orders are."""

from django.urls import path

from . import views

app_name = "orders"

urlpatterns = [
    path("", views.index, name="index"),
    path("<int:number>/", views.detail, name="detail"),
    path("<int:number>/refund/", views.refund, name="refund"),
]
