"""Django's own test runner, for tests that are the same on every stage: `manage.py test lead`."""

from __future__ import annotations

from typing import Any
from unittest import TestSuite

from django.apps import apps
from django.test import override_settings
from django.test.runner import DiscoverRunner

# What a deployment has otherwise, and tests of an app are not about.
SETTINGS: dict[str, Any] = {
    "JOST_LOGIN": False,
    # Passwords of tests protect nothing, and a good hash of each takes a tenth of a second.
    "PASSWORD_HASHERS": ["django.contrib.auth.hashers.MD5PasswordHasher"],
    "STORAGES": {
        "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
        # Asks for no file that `collectstatic` would have made.
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    },
}


class AppLabelRunner(DiscoverRunner):
    """As Django's, where a label that no module has may be that of an app; also in a deployment's container."""

    _same = override_settings(**SETTINGS)

    def setup_test_environment(self, **kwargs: Any) -> None:
        super().setup_test_environment(**kwargs)
        self._same.enable()

    def teardown_test_environment(self, **kwargs: Any) -> None:
        self._same.disable()
        super().teardown_test_environment(**kwargs)

    def load_tests_for_label(self, label: str, discover_kwargs: dict[str, Any]) -> TestSuite:
        names = {config.label: config.name for config in apps.get_app_configs()}
        suite: TestSuite = super().load_tests_for_label(names.get(label, label), discover_kwargs)
        return suite
