"""The system check of what the settings say of alerts; it touches no network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Error, register

from holdfast.alerts import stated
from holdfast.exceptions import ConfigurationError

BAD_SETTING = "holdfast.E001"


@register()
def check_alerts(
    app_configs: Sequence[AppConfig] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """What is said must be what can be followed: nobody would be told of anything."""
    del app_configs, kwargs
    try:
        stated.current()
    except ConfigurationError as error:
        return [Error(str(error), id=BAD_SETTING)]
    return []
