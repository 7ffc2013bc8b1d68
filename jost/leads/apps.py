"""The app of leads, by the name that its commands have always had: `manage.py test lead`."""

from django.apps import AppConfig


class LeadsConfig(AppConfig):
    name = "jost.leads"
    label = "lead"
    verbose_name = "Leads"
