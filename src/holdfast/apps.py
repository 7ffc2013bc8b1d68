"""The Django app: the one place where the parts are put together."""

from __future__ import annotations

from collections.abc import Mapping

from django.apps import AppConfig


class HoldfastConfig(AppConfig):
    """Registers the ledger's models, the checks and the admin."""

    name = "holdfast"
    verbose_name = "Holdfast"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from django.conf import settings

        from holdfast import (
            checks,  # noqa: F401  # registers the system checks
            debugging,
        )
        from holdfast.alerts import checking  # noqa: F401  # the same
        from holdfast.alerts import starting as alerting
        from holdfast.alerts import tasks as alert_tasks  # noqa: F401  # registers the task that sends messages
        from holdfast.dispatch import django_run  # noqa: F401  # registers the tasks of our own

        # By this thread alone: its modules know each other, and of two threads that begin to import them at once, as
        # with their first call, Python refuses one.
        from holdfast.ledger import dialects  # noqa: F401
        from holdfast.logs import configuring, guids, sentry
        from holdfast.results import tasks  # noqa: F401  # the same
        from holdfast.telemetry import starting

        debugging.listen_if_asked()
        configuring.keep_in_workers(getattr(settings, "LOGGING", None))
        guids.follow_if_there()
        sentry.tag_if_there()
        starting.install_if_wanted(settings)
        alerting.start_if_wanted(settings)

    def stop_seconds(self) -> Mapping[str, int]:
        """Return for how many seconds a stop of each described pool waits, for the doctor, which is below `deploy`.

        Raises:
            ConfigurationError: HOLDFAST["deploy"] says something that cannot be.
        """
        from holdfast.deploy import deriving

        return deriving.stop_seconds()
