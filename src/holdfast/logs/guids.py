"""django-guid, where a project has it: the id of its request is the correlation id of what the request sends."""

from __future__ import annotations

from django.apps import apps

from holdfast import correlation


def follow_if_there() -> None:
    """Take the id of a request from django-guid, and let its log filter show that of a job."""
    if not apps.is_installed("django_guid"):
        return
    from django_guid import clear_guid, get_guid, set_guid

    def tell(id: str) -> None:
        if id:
            set_guid(id)
        else:
            clear_guid()

    correlation.foreign, correlation.tell_foreign = get_guid, tell
