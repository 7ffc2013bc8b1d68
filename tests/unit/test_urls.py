"""The console's addresses, in a project that has not what they need."""

from __future__ import annotations

from importlib import reload

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from holdfast import urls


def test_project_without_users_is_told_what_the_console_needs() -> None:
    with (
        override_settings(INSTALLED_APPS=["holdfast"]),
        pytest.raises(
            ImproperlyConfigured, match=r"'django\.contrib\.auth'.*holdfast\.health\.urls"
        ),
    ):
        reload(urls)
    assert reload(urls).app_name == "holdfast"
