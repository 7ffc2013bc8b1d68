"""Where every page and every action of the console is to be looked at, on the ground of these tests."""

from __future__ import annotations

from django.urls import reverse

import holdfast.console.urls  # noqa: F401  # registers what is listed here
from holdfast.console import pages
from tests.browser.ground import UNSERVED, Ground


def of_pages(ground: Ground) -> dict[str, list[str]]:
    """Return addresses below the console's root by the name of the page: each that looks different."""
    jobs = ground.jobs
    each = {name: f"jobs/{id}/" for name, id in jobs.items()}
    return {
        "overview": ["", "?span=day"],
        "pulse": ["pulse/"],
        "jobs": [
            "jobs/",
            "jobs/?q=state:failed+task:shop.*",
            "jobs/?q=colour:red",
            "jobs/?q=error:x",
        ],
        "job": [each[name] for name in ("succeeded", "failed", "running", "limited", "queued")],
        "job-call": [f"{each['succeeded']}call/"],
        "job-result": [f"{each['succeeded']}result/"],
        "job-edit": [f"{each['failed']}edit/", f"{each['succeeded']}edit/"],
        "errors": ["errors/"],
        "error": [f"errors/{ground.fingerprint}/"],
        "operations": ["operations/"],
        "operation": [f"operations/{ground.operation}/"],
        "operation-new": [
            "operations/new/?kind=cancel&filter=state:queued",
            "operations/new/?kind=queue&filter=",
        ],
        "batches": ["batches/"],
        "batch": [f"batches/{ground.batch}/"],
        "workflow": [f"workflows/{jobs['campaign']}/", f"workflows/{jobs['chord']}/"],
        "schedules": ["schedules/"],
        "schedule": ["schedules/newsletter/", "schedules/look at the till/"],
        "queues": ["queues/"],
        "queue": ["queues/mail/", f"queues/{UNSERVED}/"],
        "workers": ["workers/"],
        "worker": [f"workers/{ground.worker}/"],
        "worker-inside": [f"workers/{ground.worker}/inside/"],
        "worker-stacks": [f"workers/{ground.worker}/stacks/"],
        "limits": ["limits/"],
        "limit": ["limits/label printer/"],
        "activity": ["activity/"],
        "activity-security": ["activity/security/"],
        "doctor": ["doctor/"],
    }


def of_actions(ground: Ground) -> dict[str, str]:
    """Return the address at which each action shows its form."""
    things: dict[str, object] = {
        "batch": ground.batch,
        "error": ground.fingerprint,
        "job": ground.jobs["failed"],
        "limit": "label printer",
        "operation": ground.operation,
        "queue": UNSERVED,
        "schedule": "newsletter",
        "worker": ground.worker,
    }
    root = reverse("holdfast:overview")
    found = {}
    for name, action in pages.ACTIONS.items():
        arguments = [things[name.partition("-")[0]]] if "<" in action.route else []
        found[name] = reverse(f"holdfast:{name}", args=arguments).removeprefix(root)
    return found
