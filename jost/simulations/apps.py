"""Names the simulations app to Django."""

from django.apps import AppConfig


class SimulationsConfig(AppConfig):
    name = "jost.simulations"
    label = "simulations"
    default_auto_field = "django.db.models.BigAutoField"
