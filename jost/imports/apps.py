"""The app of imports."""

from django.apps import AppConfig


class ImportsConfig(AppConfig):
    name = "jost.imports"
    verbose_name = "Imports"
