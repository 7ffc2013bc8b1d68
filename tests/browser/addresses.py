"""Where every page and every action of the console is to be looked at, on the ground of these tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from django.urls import reverse

import holdfast.console.urls  # noqa: F401  # registers what is listed here
from holdfast.console import pages

if TYPE_CHECKING:
    from tests.browser.ground import Ground

# A queue that no worker takes from, and one that is paused.
UNSERVED, PAUSED = "returns", "night shift"
SHOWN_JOBS = ("succeeded", "failed", "running", "limited", "queued")

# Addresses below the console's root by the name of the page: each that looks different.
PAGES: dict[str, Callable[[Ground], list[str]]] = {
    "overview": lambda _: ["", "?span=day"],
    "pulse": lambda _: ["pulse/"],
    "jobs": lambda _: [
        "jobs/",
        "jobs/?q=state:failed+task:shop.*",
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
    "activity": lambda _: ["activity/"],
    "activity-security": lambda _: ["activity/security/"],
    "doctor": lambda _: ["doctor/"],
}
# What an action is about, by the first word of its name.
THINGS: dict[str, Callable[[Ground], object]] = {
    "batch": lambda ground: ground.batch,
    "error": lambda ground: ground.fingerprint,
    "job": lambda ground: ground.jobs["failed"],
    "limit": lambda _: "label printer",
    "operation": lambda ground: ground.operation,
    "queue": lambda _: UNSERVED,
    "schedule": lambda _: "newsletter",
    "worker": lambda ground: ground.worker,
}


def of_action(name: str, ground: Ground) -> str:
    """Return the address at which an action shows its form."""
    arguments = [THINGS[thing(name)](ground)] if about_one(name) else []
    return reverse(f"holdfast:{name}", args=arguments).removeprefix(reverse("holdfast:overview"))


def about_one(name: str) -> bool:
    """Tell whether an action is about one thing, which its address names."""
    return "<" in pages.ACTIONS[name].route


def thing(name: str) -> str:
    """Return what an action is about."""
    return name.partition("-")[0]
