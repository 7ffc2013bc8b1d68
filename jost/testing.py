"""Django's own test runner, which also takes the label of an app: `manage.py test lead`."""

from __future__ import annotations

from typing import Any
from unittest import TestSuite

from django.apps import apps
from django.test.runner import DiscoverRunner


class AppLabelRunner(DiscoverRunner):
    """As Django's, where a label that no module has may be that of an app."""

    def load_tests_for_label(self, label: str, discover_kwargs: dict[str, Any]) -> TestSuite:
        names = {config.label: config.name for config in apps.get_app_configs()}
        suite: TestSuite = super().load_tests_for_label(names.get(label, label), discover_kwargs)
        return suite
