"""The Celery app of the test project: adopted with the two lines of the README."""

from __future__ import annotations

import os
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")

from holdfast import Celery

app = Celery("project")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
if app.conf.security_key:
    app.setup_security()


@app.on_after_finalize.connect
def register(sender: Any, **_: Any) -> None:
    """Register tasks with base classes of their own; the worker's app alone knows them."""
    from tests.project import bases

    sender.task(base=bases.Audited, name="tests.audited", bind=True)(bases.audited)
    sender.task(base=bases.AuditedForTenant, name="tests.tenant", bind=True)(bases.tenant)
    sender.task(base=bases.Leaving, name="tests.leaving")(bases.leaving)
    sender.task(base=bases.Around, name="tests.around", bind=True)(bases.around)
    sender.register_task(bases.Classy())
