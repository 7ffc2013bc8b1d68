"""The app of orders."""

from django.apps import AppConfig


class OrdersConfig(AppConfig):
    name = "jost.orders"
    verbose_name = "Orders"
