"""Where every page and every action of the console is to be looked at, on the ground of these tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from django.urls import reverse

import holdfast.console.urls  # noqa: F401  # registers what is listed here
from holdfast.console import pages
from tests.browser.names import ADDED, UNSERVED

if TYPE_CHECKING:
    from tests.browser.ground import Ground

SHOWN_JOBS = ("succeeded", "failed", "running", "limited", "queued")

# Addresses below the console's root by the name of the page: each that looks different.
PAGES: dict[str, Callable[[Ground], list[str]]] = {
    "overview": lambda _: [""],
    "pulse": lambda _: ["pulse/"],
    "jobs": lambda _: [
        "jobs/",
        "jobs/?q=state:dead+task:shop.*",
        "jobs/?q=colour:red",
        "jobs/?q=error:x",
    ],
    "job": lambda ground: [f"jobs/{ground.jobs[each]}/" for each in SHOWN_JOBS],
    "job-call": lambda ground: [f"jobs/{ground.jobs['succeeded']}/call/"],
    "job-result": lambda ground: [f"jobs/{ground.jobs['succeeded']}/result/"],
    "job-edit": lambda ground: [
        f"jobs/{ground.jobs[each]}/edit/" for each in ("failed", "succeeded")
    ],
    "errors": lambda _: ["errors/"],
    "error": lambda ground: [f"errors/{ground.fingerprint}/"],
    "operations": lambda _: ["operations/"],
    "operation": lambda ground: [f"operations/{ground.operation}/"],
    "operation-new": lambda _: [
        "operations/new/?kind=cancel&filter=state:queued",
        "operations/new/?kind=queue&filter=",
    ],
    "batches": lambda _: ["batches/"],
    "batch": lambda ground: [f"batches/{ground.batch}/"],
    "workflow": lambda ground: [
        f"workflows/{ground.jobs[each]}/" for each in ("campaign", "chord")
    ],
    "schedules": lambda _: ["schedules/"],
    "schedule": lambda _: ["schedules/newsletter/", "schedules/look at the till/"],
    "queues": lambda _: ["queues/"],
    "queue": lambda _: ["queues/mail/", f"queues/{UNSERVED}/"],
    "workers": lambda _: ["workers/"],
    "worker": lambda ground: [f"workers/{ground.worker}/"],
    "worker-inside": lambda ground: [f"workers/{ground.worker}/inside/"],
    "worker-stacks": lambda ground: [f"workers/{ground.worker}/stacks/"],
    "limits": lambda _: ["limits/"],
    "limit": lambda _: ["limits/label printer/"],
    "alerts": lambda _: ["alerts/"],
    "alert-rule-new": lambda _: [
        "alerts/rules/new/",
        "alerts/rules/new/?when=failure_rate",
        "alerts/rules/new/?when=oldest&above=0.001&look=on",
        "alerts/rules/new/?when=oldest&above=-1&look=on",
        f"alerts/rules/new/?change={ADDED}",
    ],
    "activity": lambda _: ["activity/"],
    "activity-security": lambda _: ["activity/security/"],
    "doctor": lambda _: ["doctor/"],
}
# What an action is about, by what its address begins with.
THINGS: dict[str, Callable[[Ground], object]] = {
    "alerts/": lambda ground: ground.alert,
    "alerts/channels/": lambda _: "till",
    "alerts/rules/": lambda _: ADDED,
    "batches/": lambda ground: ground.batch,
    "errors/": lambda ground: ground.fingerprint,
    "jobs/": lambda ground: ground.jobs["failed"],
    "limits/": lambda _: "label printer",
    "operations/": lambda ground: ground.operation,
    "queues/": lambda _: UNSERVED,
    "schedules/": lambda _: "newsletter",
    "workers/": lambda ground: ground.worker,
}


def of_action(name: str, ground: Ground) -> str:
    """Return the address at which an action shows its form."""
    begin = before_its_thing(name)
    arguments = [THINGS[begin](ground)] if begin else []
    return reverse(f"holdfast:{name}", args=arguments).removeprefix(reverse("holdfast:overview"))


def before_its_thing(name: str) -> str:
    """Return how the address of an action begins that names one thing; empty if it names none."""
    begin, name_of_one, _ = pages.ACTIONS[name].route.partition("<")
    return begin if name_of_one else ""
