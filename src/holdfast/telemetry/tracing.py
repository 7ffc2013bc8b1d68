"""Spans of calls, publications and attempts, in one trace from the request to the last successor.

The context of a call is part of its job's headers: recorded in the caller's transaction, the same for every attempt,
whoever publishes it and however late. Runs in each process that sends or runs jobs.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from functools import cache
from importlib.metadata import version
from itertools import islice
from typing import Any
from weakref import ReferenceType

from billiard.common import terminate_handler_fired
from celery import signals
from opentelemetry import context, propagate, trace
from opentelemetry.trace import Link, SpanKind, Status, StatusCode

from holdfast.correlation import CORRELATION
from holdfast.dispatch.prose import Prose
from holdfast.interruptions import let_out_interruption
from holdfast.ledger.holds import is_secret
from holdfast.lineage import inherited_headers
from holdfast.spans import By, Lost
from holdfast.telemetry.left import Left, how_left
from holdfast.tickets import FORMER, HEADER, Ticket

logger = logging.getLogger("holdfast.telemetry")
SYSTEM = "holdfast"
# To be cancelled, or to have to wait for another worker, is no error.
_ERRORS = {By.LOSS: "worker lost", By.TIME_LIMIT: "TimeLimitExceeded"}
FLUSH_MILLISECONDS = 5000
_TWIN = "opentelemetry.instrumentation.celery"
# Links of one span: what many jobs have in common is said by the first of them.
MOST_LINKS = 32
_links: ContextVar[Sequence[Link]] = ContextVar("holdfast_links", default=())


class OpenSpan:
    """A span that is current until it ends."""

    headers: Mapping[str, str]

    def __init__(self, span: trace.Span, headers: Mapping[str, str] | None = None) -> None:
        self.span, self.headers = span, headers or {}
        # A call made in an `except` of the project: that error is not its own.
        self._handled = sys.exception()
        self._token = context.attach(trace.set_span_in_context(span))

    def end(self) -> None:
        """End it with the error that is on its way, if there is one."""
        error = sys.exception()
        context.detach(self._token)
        try:
            left = how_left(None if error is self._handled else error)
            if left.is_error:
                self._fail(left)
            self._say(left)
        except Exception as refusal:
            # An error that has no words for itself fails no job a second time.
            let_out_interruption(refusal)
            logger.exception("A span ends without the words of its error")
        finally:
            self.span.end()

    def _fail(self, left: Left) -> None:
        self.span.set_attribute("error.type", left.kind)
        self.span.set_status(Status(StatusCode.ERROR, left.kind))

    def _say(self, left: Left) -> None:
        """Add what is known only now."""


class Run(OpenSpan):
    """The span of an attempt: what leaves it is how the body has ended."""

    def __init__(self, span: trace.Span, task: Any, request: Any) -> None:
        super().__init__(span)
        self._task, self._request = task, request

    def end(self) -> None:
        """End it, but in a process that is being ended: of that attempt whoever moves its job tells, once."""
        if terminate_handler_fired():
            context.detach(self._token)
        else:
            super().end()

    def _say(self, left: Left) -> None:
        moves = left.by == "ignore" and getattr(self._request, "holdfast_move", None) is not None
        self.span.set_attribute("holdfast.left_by", "put back" if moves else left.by)

    def _fail(self, left: Left) -> None:
        super()._fail(left)
        words = {} if is_secret(self._request) else left.words(Prose(self._task).clean)
        self.span.add_event("exception", {"exception.type": left.kind, **words})


class LostRun:
    """The span of an attempt whose process is gone: all of it is known when it begins, and current it never is."""

    def __init__(self, span: trace.Span, ended_at: datetime) -> None:
        self._span, self._ended_at = span, ended_at
        self.headers = _former(trace.set_span_in_context(span))

    def end(self) -> None:
        """Tell of it."""
        self._span.end(_nanoseconds(self._ended_at))


class OpenTelemetry:
    """Tells OpenTelemetry; see `holdfast.spans.Tracer`."""

    def __init__(self, provider: trace.TracerProvider | None = None) -> None:
        self._provider = provider
        self._tracer = trace.get_tracer("holdfast", version("holdfast"), provider)

    @property
    def fields(self) -> frozenset[str]:
        """Names of the headers by which the project's propagators tell of a span."""
        return frozenset(propagate.get_global_textmap().fields)

    def sending(self, task: str, queue: str) -> OpenSpan:
        """Begin the span of a call; its context is what the job takes along."""
        _warn_of_twins()
        span = self._tracer.start_span(
            f"create {task}",
            context=_parent(),
            kind=SpanKind.PRODUCER,
            links=list(_links.get()),
            attributes=_messaging("create", "create", queue) | {"holdfast.task": task},
        )
        headers: dict[str, str] = {}
        propagate.inject(headers, trace.set_span_in_context(span))
        return OpenSpan(span, headers)

    def putting_back(self) -> Mapping[str, str]:
        """Return the context of the attempt that runs here, for the attempt that comes after it."""
        return _former(None)

    def publishing(self, tickets: Sequence[Ticket]) -> OpenSpan | None:
        """Begin the span of a publication, if it is part of a trace: that of whoever has committed."""
        if not trace.get_current_span().get_span_context().is_valid:
            return None
        queues = {ticket.queue for ticket in tickets}
        queue = queues.pop() if len(queues) == 1 else ""
        attributes = _messaging("publish", "send", queue)
        attributes["messaging.batch.message_count"] = len(tickets)
        if len(tickets) == 1:
            attributes["messaging.message.id"] = tickets[0].id
        span = self._tracer.start_span(
            f"publish {queue}".rstrip(), kind=SpanKind.CLIENT, attributes=attributes
        )
        return OpenSpan(span)

    def running(self, task: Any, request: Any) -> Run:
        """Begin the span of an attempt: a child of the call, and linked to the attempt before it."""
        headers = request.headers or {}
        mark = getattr(request, HEADER, None) or {}
        span = self._run(
            task.name,
            queue=(request.delivery_info or {}).get("routing_key") or "",
            headers=headers,
            job=request.id or "",
            root=request.root_id or "",
            retries=request.retries or 0,
            attempt=mark.get("attempt") or (request.retries or 0) + 1,
        )
        return Run(span, task, request)

    def losing(self, lost: Lost) -> LostRun | None:
        """Begin the span of an attempt whose process is gone; None if that cannot be told: the job goes on."""
        try:
            span = self._run(
                lost.task,
                queue=lost.queue,
                headers=lost.headers,
                job=lost.job,
                root=lost.headers.get("root_id") or "",
                retries=lost.headers.get("retries") or 0,
                attempt=lost.attempt,
                start_time=_nanoseconds(lost.began_at),
            )
            span.set_attribute("holdfast.left_by", lost.by.value)
            if lost.worker:
                span.set_attribute("holdfast.worker", lost.worker)
            if kind := _ERRORS.get(lost.by):
                span.set_attribute("error.type", kind)
                span.set_status(Status(StatusCode.ERROR, f"{kind}: {lost.cause}"))
            return LostRun(span, max(lost.began_at, lost.ended_at))
        except Exception:  # what is lost must be given back, whatever its span says
            logger.exception("No span tells of the lost attempt of job %s", lost.job)
            return None

    def flush(self) -> None:
        """Send what the project's provider has kept, for five seconds at most if it keeps to that."""
        provider = self._provider or trace.get_tracer_provider()
        flush = getattr(provider, "force_flush", None)
        if flush is not None:
            flush(FLUSH_MILLISECONDS)

    def _run(
        self,
        task: str,
        *,
        queue: str,
        headers: Mapping[str, Any],
        job: str,
        root: str,
        retries: int,
        attempt: int,
        start_time: int | None = None,
    ) -> trace.Span:
        attributes = _messaging("process", "process", queue) | {
            "messaging.message.id": job,
            "messaging.message.conversation_id": headers.get(CORRELATION) or root,
            "holdfast.task": task,
            "holdfast.attempt": attempt,
            "holdfast.retries": retries,
        }
        return self._tracer.start_span(
            f"process {task}",
            context=_origin(headers),
            kind=SpanKind.CONSUMER,
            links=_link_of(headers.get(FORMER)),
            attributes=attributes,
            start_time=start_time,
        )

    @contextmanager
    def joining(self, members: Iterable[str]) -> Iterator[None]:
        """Link what is sent inside to the calls of these jobs."""
        links = [link for stored in islice(members, MOST_LINKS) for link in _link_of(stored)]
        reset = _links.set(links)
        try:
            yield
        finally:
            _links.reset(reset)


@cache
def _warn_of_twins() -> None:
    """Say once that Celery's own instrumentation makes spans of the same calls."""
    receivers = [receiver for _, receiver in signals.before_task_publish.receivers]
    found = [one() if isinstance(one, ReferenceType) else one for one in receivers]
    if any(str(getattr(one, "__module__", "")).startswith(_TWIN) for one in found):
        logger.warning(
            "opentelemetry-instrumentation-celery is active beside HOLDFAST['tracing']: each call and each run is two "
            "spans. Switch one off: OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=celery, or HOLDFAST['tracing'] = False."
        )


def _messaging(name: str, type: str, queue: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        "messaging.system": SYSTEM,
        "messaging.operation.name": name,
        "messaging.operation.type": type,
    }
    if queue:
        found["messaging.destination.name"] = queue
    return found


def _parent() -> context.Context | None:
    """Return whose child a call is; what a worker sends on after a body is that of the job it comes from."""
    if trace.get_current_span().get_span_context().is_valid:
        return None
    inherited = inherited_headers()
    return propagate.extract(_texts(inherited)) if inherited else None


def _origin(headers: Mapping[str, Any]) -> context.Context | None:
    """Return the call that an attempt is of; None, which is what goes on here, if the call was not traced."""
    found = propagate.extract(_texts(headers), context.Context())
    return found if trace.get_current_span(found).get_span_context().is_valid else None


def _link_of(stored: str | None) -> list[Link]:
    """Return a link to the span that headers, as JSON, tell of; none if they tell of none."""
    try:
        carrier = json.loads(stored or "{}")
        found = propagate.extract(_texts(carrier), context.Context())
    except (ValueError, TypeError, AttributeError):
        return []
    span = trace.get_current_span(found).get_span_context()
    return [Link(span)] if span.is_valid else []


def _former(current: context.Context | None) -> dict[str, str]:
    """Return the header that tells an attempt of the one before it: of the span in a context, by default this one."""
    carrier: dict[str, str] = {}
    propagate.inject(carrier, current)
    return {FORMER: json.dumps(carrier)} if carrier else {}


def _nanoseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000_000) * 1000


def _texts(headers: Mapping[str, Any]) -> dict[str, str]:
    """Return the headers that are texts: a propagator takes no others, and calls may have any."""
    return {key: value for key, value in headers.items() if isinstance(value, str)}
