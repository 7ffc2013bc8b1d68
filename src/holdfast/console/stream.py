"""The event stream of the console: tells open pages that something may have changed; in the web process, under ASGI.

Under WSGI each stream would take a thread of the server as long as a page is open: there the answer is that there is
none, and pages ask `api/pulse/` in its place.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils.translation import get_language, override
from django.utils.translation import gettext_lazy as _

from holdfast.console import answers
from holdfast.console.access import VIEW, role
from holdfast.console.encode import as_json
from holdfast.console.hub import Full, Hub, hub
from holdfast.console.pages import page
from holdfast.console.snapshots import Snapshot, texts

# Proxies cut what is silent for a minute.
HEARTBEAT_SECONDS = 15.0
# Then the browser connects again, and is asked again who it is; a server that stops may wait for the stream as long.
LIFETIME_SECONDS = 120.0
RETRY_MILLISECONDS = 3000


@dataclass(frozen=True, slots=True, kw_only=True)
class PulsePage:
    """What every open page shows of the whole: the same that the event stream tells."""

    version: int
    """Rises with each look of the process that answers."""
    at: datetime | None
    error: str
    """Why the figures are old; empty if they are not."""
    trouble: int
    """How many things need attention."""
    figures: dict[str, str]
    """Figures by name, as a page writes them."""


def pulse_of(snapshot: Snapshot) -> PulsePage:
    """Return the head figures of a snapshot."""
    return PulsePage(
        version=snapshot.version,
        at=snapshot.at,
        error=snapshot.error,
        trouble=snapshot.trouble_count,
        figures=texts(snapshot.figures),
    )


@page("pulse/", name="pulse", title=_("Pulse"), template="holdfast/pulse.html")
def pulse(_request: HttpRequest) -> PulsePage:
    """Show the head figures; they are shared by all who ask within two seconds."""
    return pulse_of(hub.current())


async def events(request: HttpRequest) -> HttpResponseBase:
    """Answer with the stream of events: `tick` with what `api/pulse/` has, `heartbeat` where nothing came for a while.

    204, which ends a browser's stream for good, if there is none to be had: under WSGI, or with too many watchers.
    """
    if request.method != "GET":
        return answers.secured(answers.wrong_method(request, "GET", json=True))
    if await sync_to_async(role)(request) < VIEW:
        return answers.secured(await sync_to_async(answers.denied)(request, VIEW, json=True))
    if not isinstance(request, ASGIRequest) or hub.is_full:
        return answers.secured(HttpResponse(status=204, headers={"Retry-After": "60"}))
    stream = StreamingHttpResponse(
        told(hub, language=get_language()), content_type="text/event-stream"
    )
    # Neither kept nor packed nor collected on its way.
    stream["Cache-Control"] = "no-store, no-transform"
    stream["Content-Encoding"] = "identity"
    stream["X-Accel-Buffering"] = "no"
    return answers.secured(stream)


async def told(
    source: Hub,
    *,
    heartbeat: float = HEARTBEAT_SECONDS,
    lifetime: float = LIFETIME_SECONDS,
    language: str | None = None,
) -> AsyncIterator[str]:
    """Yield events until the lifetime is over, or the browser has gone: then the generator is closed.

    Figures are written as in `language`: the request's own is over by then for whoever sends the answer.
    """
    end = time.monotonic() + lifetime
    yield f"retry: {RETRY_MILLISECONDS}\n\n"
    try:
        with source.watch() as watcher:
            while time.monotonic() < end:
                snapshot = await watcher.next(seconds=heartbeat)
                if snapshot is None:
                    yield "event: heartbeat\ndata: {}\n\n"
                    continue
                with override(language):
                    said = tick(snapshot)
                yield said
    except Full:
        return


def tick(snapshot: Snapshot) -> str:
    """Return the event of a snapshot."""
    data = json.dumps(as_json(pulse_of(snapshot)))
    return f"event: tick\nid: {snapshot.version}\ndata: {data}\n\n"


# As of pages: who is not let in is told so, and not sent to a login.
events.login_required = False  # type: ignore[attr-defined]
