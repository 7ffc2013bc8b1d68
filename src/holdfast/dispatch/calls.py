"""What a recorded job is called with: read for people without its secrets, and written anew when they mend it.

Runs where people look at jobs. Nothing here touches the ledger: rows come in, rows go out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from celery import Celery
from celery.utils.saferepr import saferepr
from django.views.debug import get_default_exception_reporter_filter
from kombu import serialization
from kombu.compression import compress
from kombu.serialization import prepare_accept_content

from holdfast import vault
from holdfast.dispatch.known import task_named
from holdfast.dispatch.redaction import Redaction, redaction_of
from holdfast.exceptions import SelectionRefused
from holdfast.interruptions import let_out_interruption
from holdfast.ledger.records import Message


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownCall:
    """Arguments as people may see them; what is in their place if they cannot be shown one by one."""

    args: Any
    kwargs: Any
    hidden: str = ""
    """Why it is not the arguments themselves that stand there: the sender's own words for them, or an error."""


def shown(app: Celery, message: Message) -> ShownCall:
    """Return the arguments of a job without its secrets.

    Keyword arguments, dictionary keys and parameters whose names sound like secrets are starred, by Django's filter of
    error reports (`DEFAULT_EXCEPTION_REPORTER_FILTER`), HOLDFAST["redact"] and the task's own `redact`. A sender who
    gave `argsrepr` or `kwargsrepr` has said what may be seen. A body that cannot be read here is an error in words,
    never an exception.
    """
    try:
        headers = json.loads(message.headers)
        args, kwargs, _ = _decode(app, message, headers)
    except Exception as error:  # every serializer has its own tree of errors
        let_out_interruption(error)
        return ShownCall(args=None, kwargs=None, hidden=f"cannot be decoded here: {error!r}")
    rules = redaction_of(task_named(app, message.task))
    clean_args, clean_kwargs = _clean(rules, args, kwargs)
    said_args, said_kwargs = _own_words(app, message.task, headers, args, kwargs)
    # Words that say a secret aloud are no description, whatever made them.
    if _tells(said_args, list(args), clean_args):
        said_args = None
    if _tells(said_kwargs, kwargs, clean_kwargs):
        said_kwargs = None
    described = said_args is not None or said_kwargs is not None
    return ShownCall(
        args=clean_args if said_args is None else said_args,
        kwargs=clean_kwargs if said_kwargs is None else said_kwargs,
        hidden="as its sender describes it" if described else "",
    )


def clean(app: Celery, task: str, value: Any) -> Any:
    """Return a value of a task, such as its result or its progress, without its secrets."""
    return _cleanse("", redaction_of(task_named(app, task)).value("", value))


def secrets(app: Celery, message: Message) -> list[Any]:
    """Return the values among a job's arguments that nobody may see; none if they cannot be read here."""
    try:
        _, args, kwargs, _ = _decoded(app, message)
    except SelectionRefused:
        return []
    clean_args, clean_kwargs = _clean(redaction_of(task_named(app, message.task)), args, kwargs)
    return [*_starred(list(args), clean_args), *_starred(kwargs, clean_kwargs)]


def arguments(app: Celery, message: Message) -> tuple[Any, Any]:
    """Return the positional and the keyword arguments of a job as they are, secrets and all: for no eyes.

    Raises:
        SelectionRefused: the body cannot be read here.
    """
    _, args, kwargs, _ = _decoded(app, message)
    return args, kwargs


def shown_arguments(
    app: Celery, task: str, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> ShownCall:
    """Return arguments of a call that is still to be made, of a schedule or a callback, without its secrets."""
    known = task_named(app, task)
    if getattr(known, "encrypt", False):
        return ShownCall(args=None, kwargs=None, hidden=vault.SHOWN)
    clean_args, clean_kwargs = _clean(redaction_of(known), args, kwargs)
    return ShownCall(args=clean_args, kwargs=clean_kwargs)


def edited(
    app: Celery,
    message: Message,
    *,
    args: Sequence[Any] | None,
    kwargs: Mapping[str, Any] | None,
) -> Message:
    """Return the message with other arguments; None leaves them as they are.

    Raises:
        SelectionRefused: the body cannot be read or written here, or the task does not take these arguments.
    """
    headers, old_args, old_kwargs, embed = _decoded(app, message)
    new_args = list(old_args) if args is None else list(args)
    new_kwargs = dict(old_kwargs) if kwargs is None else dict(kwargs)
    _refuse_what_does_not_fit(app, message, new_args, new_kwargs)
    own_args, own_kwargs = _own_words(app, message.task, headers, old_args, old_kwargs)
    usual_args, usual_kwargs = _usual_words(app, message.task, new_args, new_kwargs)
    if vault.is_encrypted(message.content_encoding):
        usual_args = usual_kwargs = vault.SHOWN
    if own_args is None:
        headers["argsrepr"] = usual_args
    if own_kwargs is None:
        headers["kwargsrepr"] = usual_kwargs
    body, encoding = _encode(message, headers, (new_args, new_kwargs, embed))
    return Message(
        job=message.job,
        task=message.task,
        headers=json.dumps(headers),
        body=body,
        content_type=message.content_type,
        content_encoding=encoding,
    )


def _decoded(app: Celery, message: Message) -> tuple[dict[str, Any], Any, Any, Any]:
    """Return (headers, args, kwargs, embed)."""
    try:
        headers: dict[str, Any] = json.loads(message.headers)
        return headers, *_decode(app, message, headers)
    except Exception as error:  # every serializer has its own tree of errors
        let_out_interruption(error)
        raise SelectionRefused(
            f"Job {message.job} cannot be edited here: its body cannot be decoded ({error!r}). "
            "Its serializer must be in CELERY_ACCEPT_CONTENT."
        ) from error


def _decode(app: Celery, message: Message, headers: Mapping[str, Any]) -> tuple[Any, Any, Any]:
    body, encoding = vault.opened(message.body, message.content_encoding, headers)
    accept = prepare_accept_content(app.conf.accept_content)
    args, kwargs, embed = serialization.loads(body, message.content_type, encoding, accept=accept)
    return args, kwargs, embed


def _encode(message: Message, headers: Mapping[str, Any], body: Any) -> tuple[bytes, str]:
    serializer = serialization.registry.type_to_name[message.content_type]
    try:
        _, _, data = serialization.dumps(body, serializer=serializer)
    except Exception as error:
        let_out_interruption(error)
        raise SelectionRefused(
            f"Job {message.job} cannot be called with these arguments: {serializer} cannot write them ({error})."
        ) from error
    encoded = data.encode() if isinstance(data, str) else bytes(data)
    compression = headers.get("compression")
    if compression:
        encoded = bytes(compress(encoded, compression)[0])
    plain, encrypted, _ = message.content_encoding.partition(vault.MARK)
    return vault.encrypt(encoded, plain) if encrypted else (encoded, plain)


def _own_words(
    app: Celery, task: str, headers: Mapping[str, Any], args: Any, kwargs: Any
) -> tuple[Any, Any]:
    """Return what the sender wants to be seen in place of args and of kwargs; None where nothing was said.

    Celery fills in a text of its own for a sender who says nothing: that one says no more than the arguments.
    """
    usual_args, usual_kwargs = _usual_words(app, task, args, kwargs)
    said_args, said_kwargs = headers.get("argsrepr") or "", headers.get("kwargsrepr") or ""
    return (
        said_args
        if said_args not in ("", vault.SHOWN) and _bare(said_args) != _bare(usual_args)
        else None,
        said_kwargs
        if said_kwargs not in ("", vault.SHOWN) and _bare(said_kwargs) != _bare(usual_kwargs)
        else None,
    )


def _usual_words(app: Celery, task: str, args: Any, kwargs: Any) -> tuple[str, str]:
    """Return what a message shows of its arguments when its sender says nothing."""
    rules, amqp = redaction_of(task_named(app, task)), app.amqp
    longest = amqp.argsrepr_maxsize
    said = rules.args_repr(args, longest) or saferepr(tuple(args), longest)
    return rules.text(said), rules.text(saferepr(kwargs, amqp.kwargsrepr_maxsize))


def _bare(text: str) -> str:
    """Return a text without what a tuple loses when it becomes a list on the way."""
    return text.replace(",)", ")").translate(str.maketrans("()", "[]"))


def _tells(words: str | None, whole: Any, clean: Any) -> bool:
    return words is not None and any(repr(secret) in words for secret in _starred(whole, clean))


def _starred(whole: Any, clean: Any) -> Iterator[Any]:
    """Yield the values that the filter has starred."""
    if isinstance(whole, Mapping) and isinstance(clean, Mapping):
        for key, value in whole.items():
            yield from _starred(value, clean.get(key))
    elif isinstance(whole, list | tuple) and isinstance(clean, list | tuple):
        for value, cleansed in zip(whole, clean, strict=False):
            yield from _starred(value, cleansed)
    elif whole != clean:
        yield whole


def _clean(
    rules: Redaction, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> tuple[list[Any], dict[str, Any]]:
    # Django's filter has a last word of its own: a project may have written it anew.
    names = [*rules.parameters[: len(args)], *[""] * (len(args) - len(rules.parameters))]
    return (
        [_cleanse(*pair) for pair in zip(names, rules.args(args), strict=True)],
        {key: _cleanse(key, value) for key, value in rules.kwargs(kwargs).items()},
    )


def _cleanse(name: str, value: Any) -> Any:
    return get_default_exception_reporter_filter().cleanse_setting(name, value)


def _refuse_what_does_not_fit(
    app: Celery, message: Message, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> None:
    task = task_named(app, message.task)
    if task is None or not getattr(task, "typing", False):
        return
    try:
        task.__header__(*args, **kwargs)
    except TypeError as error:
        raise SelectionRefused(
            f"Job {message.job} cannot be called with these arguments: {error}. "
            f"Give what {message.task} takes."
        ) from error
