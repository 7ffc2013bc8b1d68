"""What a job's end sets off: links, the rest of a chain, a chord's body, error callbacks; in the end's transaction."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from celery import states
from celery.app.task import Context
from celery.canvas import group, maybe_signature
from celery.exceptions import ChordError, NotRegistered
from kombu.serialization import loads

from holdfast import spans, vault
from holdfast.exceptions import UniqueConflict
from holdfast.ledger import chords
from holdfast.ledger.database import atomic, is_passing
from holdfast.ledger.holds import hold_from, is_secret
from holdfast.ledger.reads import queries
from holdfast.ledger.records import StoredResult
from holdfast.lineage import awaiting, inheriting, is_telling_secrets, telling_secrets
from holdfast.results import encoding, taken_keys
from holdfast.tickets import HEADER

logger = logging.getLogger("holdfast.results")
ERRBACK_TASK = "holdfast.call_errback"
MOST_MEMBERS_TRACED = 32


def send(backend: Any, task: Any, value: Any) -> None:
    """Record the successors of a job that succeeded; a unique one whose key is taken does not undo its end."""
    request = task.request
    app = backend.app
    info = request.delivery_info or {}
    options = {
        "parent_id": request.id,
        "root_id": request.root_id or request.id,
        "priority": info.get("priority") if app.conf.task_inherit_parent_priority else None,
    }
    children = len(request.children)
    with inheriting(request.headers):
        callbacks = [maybe_signature(callback, app=app) for callback in request.callbacks or ()]
        try:
            _send_together(app, request, callbacks, value, options)
        except UniqueConflict:
            del request.children[children:]
            taken_keys.send_apart(backend, request, callbacks, value, options)
    if request.chord:
        return_part(backend, request, states.SUCCESS, value)


def _send_together(
    app: Any, request: Any, callbacks: list[Any], value: Any, options: dict[str, Any]
) -> None:
    with app.outbox.batch():
        plain = [callback for callback in callbacks if not isinstance(callback, group)]
        for callback in callbacks:
            if isinstance(callback, group):
                callback.apply_async((value,), **options)
        if len(plain) > 1:
            group(plain, app=app).apply_async((value,), **options)
        elif plain:
            plain[0].apply_async((value,), **options)
        if request.chain:
            following = maybe_signature(request.chain[-1], app=app)
            with awaiting():
                following.apply_async((value,), chain=request.chain[:-1], **options)


def tell_failure(
    backend: Any,
    request: Any,
    exc: BaseException,
    traceback: Any,
    *,
    state: str,
    call_errbacks: bool,
) -> None:
    """Tell the chord, the rest of the chain and the error callbacks of a job that will give no result."""
    with telling_secrets(secret=is_secret(request)), inheriting(getattr(request, "headers", None)):
        if request.chord:
            return_part(backend, request, state, exc)
        backend._fail_chain(getattr(request, "chain", None), exc, traceback, state=state)
        if call_errbacks and request.errbacks:
            record_errbacks(backend, request, exc, traceback)


def tell_ignored(backend: Any, request: Any, value: Any) -> None:
    """Let a chord go on without a job that asked to be ignored, or without the chain that ends with it."""
    with inheriting(getattr(request, "headers", None)):
        if request.chord:
            return_part(backend, request, states.SUCCESS, value)
        # It passes by what is left of the chain and stops at those that are members of a chord.
        backend._fail_chain(request.chain, None, store_result=False, state=states.SUCCESS)


def steps_left(chain: Any) -> Iterator[Any]:
    """Yield the jobs that the rest of a chain would have become, those of a group one by one.

    A chord counts the members of a group at its chain's end, and Celery would return one part for all of them.
    """
    for element in chain or ():
        if element.get("subtask_type") in {"group", "chain"}:
            yield from steps_left(element["kwargs"].get("tasks"))
        else:
            yield element


def record_errbacks(backend: Any, request: Any, exc: BaseException, traceback: Any) -> None:
    """Record error callbacks as jobs: none of them runs inside the process that failed.

    Callbacks that take (request, exc, traceback) get them from the ledger when their own job runs.
    """
    app = backend.app
    plain = []
    for errback in request.errbacks:
        with _sent_or_logged(request):
            signature = app.signature(errback)
            if _wants_request(backend, signature):
                _send_calling(backend, request, signature, exc, traceback)
            else:
                plain.append(signature)
    if plain:
        with _sent_or_logged(request):
            group(plain, app=app).apply_async(
                (request.id,), parent_id=request.id, root_id=request.root_id or request.id
            )


def _send_calling(
    backend: Any, request: Any, signature: Any, exc: BaseException, traceback: Any
) -> None:
    error = backend.prepare_exception(exc)
    backend.app.send_task(
        ERRBACK_TASK,
        (request.id, dict(signature), error, str(traceback or ""), _never_sent(request)),
        parent_id=request.id,
        root_id=request.root_id or request.id,
        queue=signature.options.get("queue"),
        # It carries the words of the error.
        **({"encrypt": True} if is_telling_secrets() or is_secret(request) else {}),
    )


@contextmanager
def _sent_or_logged(request: Any) -> Iterator[None]:
    """Go on without an error callback that cannot be sent.

    It would undo the failure that it tells of, and the job would run again for ever.
    """
    try:
        with atomic():
            yield
    except Exception as error:
        if is_passing(error):
            raise
        logger.exception("Job %s failed, and its error callback cannot be sent", request.id)


def _never_sent(request: Any) -> dict[str, Any] | None:
    """Return what an error callback may ask of a chord's body that the ledger has never seen."""
    if hold_from(request) is not None or queries.known([request.id]):
        return None
    return {key: getattr(request, key, None) for key in ("id", "task", "args", "kwargs")}


def _wants_request(backend: Any, signature: Any) -> bool:
    try:
        header = getattr(signature.type, "__header__", None)
    except NotRegistered:  # another worker knows it
        return False
    if header is None or hasattr(header, "func"):  # bound tasks take the id, as in Celery
        return False
    return bool(backend._errback_arity_greater(signature, 1))


def request_of(
    job_id: str,
    task: str,
    headers: str,
    body: bytes,
    content_type: str,
    content_encoding: str,
    accept: Any,
) -> Context:
    """Build the request of a job that no worker is running."""
    stored = json.loads(headers)
    try:
        plain, encoding = vault.opened(body, content_encoding, stored)
        args, kwargs, embed = loads(plain, content_type, encoding, accept=accept)
    except Exception:  # what cannot be read has no successors that could be found
        logger.warning(
            "Job %s: its body cannot be decoded, so its error callbacks are unknown", job_id
        )
        args, kwargs, embed = (), {}, {}
    return Context(
        {
            **stored,
            "id": job_id,
            "task": task,
            "args": args,
            "kwargs": kwargs,
            "delivery_info": {},
            HEADER: {"encrypted": vault.is_encrypted(content_encoding)},
            **embed,
        }
    )


def open_chord(header_result_args: Any) -> None:
    """Begin to count the members of a chord."""
    group_id, results = header_result_args[0], header_result_args[1]
    chords.open_chord(group_id, size=len(results))


def resize(group_id: str, size: int) -> None:
    """Correct the number of members."""
    chords.resize(group_id, size=size)


def grow(group_id: str) -> None:
    """Wait for one more member."""
    chords.grow(group_id)


def part_of(
    backend: Any, request: Any, value: Any, encoded: StoredResult | None
) -> tuple[Any, ...]:
    """Return what a member that has succeeded gives to its chord, to be counted elsewhere: what a `Part` is made of."""
    secret = is_secret(request)
    stored = encoded or encoding.store(
        backend.encode_result(value, states.SUCCESS),
        status=states.SUCCESS,
        serializer=backend.serializer,
        encrypt=secret,
    )
    value_as_stored = (stored.result, stored.content_type, stored.content_encoding)
    return (request.group, _position(request), *value_as_stored, secret)


def return_part(backend: Any, request: Any, state: str, result: Any) -> None:
    """Count a member's end; after the last, send the body or tell it that a member failed."""
    failed = state in states.PROPAGATE_STATES
    value = backend.encode_result(result, state)
    secret = is_secret(request)
    stored = encoding.store(value, status=state, serializer=backend.serializer, encrypt=secret)
    complete = chords.return_part(
        request.group,
        request.id,
        position=_position(request),
        failed=failed,
        result=stored.result,
        content_encoding=stored.content_encoding if secret else "",
    )
    if complete:
        _send_body(backend, request, stored)


def _position(request: Any) -> int:
    return request.group_index if request.group_index is not None else 1_000_000


def _send_body(backend: Any, request: Any, like: StoredResult) -> None:
    body = maybe_signature(request.chord, app=backend.app)
    values = []
    plain = like.content_encoding.partition(vault.MARK)[0]
    for part in chords.parts(request.group):
        like.result = part.result
        like.content_encoding = part.content_encoding or plain
        value = encoding.load(like, accept=backend.accept)
        if part.failed:
            cause = backend.exception_to_python(value)
            error = ChordError(f"Dependency {part.member} raised {cause!r}")
            try:
                # Raised here: Celery reads the traceback of the exception being handled, and a member
                # that was cancelled or became dead is settled by a loop that handles none.
                raise error from cause
            except ChordError:
                secret = vault.is_encrypted(part.content_encoding)
                with inheriting(getattr(request, "headers", None)), telling_secrets(secret=secret):
                    backend.chord_error_from_stack(body, exc=error)
            return
        values.append(value)
    with inheriting(getattr(request, "headers", None)), _set_off_by(request.group):
        try:
            with awaiting():
                body.delay(values)
        except UniqueConflict as conflict:
            backend.chord_error_from_stack(body, exc=conflict)


def _set_off_by(group_id: str) -> AbstractContextManager[None]:
    """Let a trace show by which members a chord's body was set off: the first so many of them."""
    if spans.tracer is None:
        return nullcontext()
    return spans.tracer.joining(queries.headers_of_group(group_id, limit=MOST_MEMBERS_TRACED))
