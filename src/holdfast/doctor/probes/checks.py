"""Django's system checks of ours, in the doctor's shape: what is known from the settings alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from holdfast.doctor.findings import REGISTRY, Finding
from holdfast.doctor.probes.check_words import ALWAYS, AT_DEPLOYMENT
from holdfast.doctor.probing import probe

if TYPE_CHECKING:
    from holdfast.doctor.look import Look


def _messages(*, deploy: bool) -> Iterator[Any]:
    """Yield what each check says; those that Django runs with `--deploy` only where it is asked for."""
    from django.core.checks.registry import registry

    from holdfast import checks

    # Eager mode where nobody develops breaks each promise: it is told whether a deployment is looked at or not.
    always = {*registry.get_checks(include_deployment_checks=False), checks.check_eager}
    for check in sorted(registry.get_checks(include_deployment_checks=True), key=_name):
        if check.__module__.startswith("holdfast.") and (check in always) is not deploy:
            yield from check(app_configs=None, databases=None)


def _name(check: Any) -> str:
    return f"{check.__module__}.{check.__qualname__}"


def _findings(*, deploy: bool) -> Iterator[Finding]:
    for message in _messages(deploy=deploy):
        yield REGISTRY[message.id].seen(str(message.msg), repair=str(message.hint or ""))


@probe(area="settings", finds=ALWAYS, live=False)
def system_checks(look: Look) -> Iterator[Finding]:
    """What `manage.py check` says of Holdfast."""
    del look
    yield from _findings(deploy=False)


@probe(area="deploy", finds=AT_DEPLOYMENT, live=False, deploy=True)
def deployment_checks(look: Look) -> Iterator[Finding]:
    """What `manage.py check --deploy` adds of Holdfast."""
    del look
    yield from _findings(deploy=True)
