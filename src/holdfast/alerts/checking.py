"""The system check of what the settings say of alerts; it touches no network."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Error, register

from holdfast.alerts import stated
from holdfast.conf import get_settings
from holdfast.exceptions import ConfigurationError

BAD_SETTING = "holdfast.E001"


@register()
def check_alerts(
    app_configs: Sequence[AppConfig] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """What is said must be what can be followed: nobody would be told of anything."""
    del app_configs, kwargs
    try:
        get_settings()
    except ConfigurationError:
        return []  # said by the check of the settings
    try:
        alerting = stated.current()
    except ConfigurationError as error:
        return [Error(str(error), id=BAD_SETTING)]
    asked = sorted(name for name, one in alerting.channels.items() if one.kind == "apprise")
    if asked and find_spec("apprise") is None:
        return [
            Error(
                f"HOLDFAST['alerts']['channels'] has channels of kind 'apprise' ({', '.join(asked)}), and that is not "
                "installed: their messages would not leave.",
                hint="pip install 'holdfast[apprise]', wherever a worker or a scheduler runs.",
                id=BAD_SETTING,
            )
        ]
    return []
