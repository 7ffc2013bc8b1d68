"""A message as a copy of one that Celery has built: the same task and options, an id and arguments of its own."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import fields
from json.encoder import encode_basestring_ascii as quoted
from typing import TYPE_CHECKING, Any

from celery.utils.saferepr import saferepr
from kombu import serialization
from kombu.compression import compress
from kombu.utils import json

from holdfast import vault
from holdfast.dispatch.redaction import redaction_of
from holdfast.interruptions import let_out_interruption
from holdfast.ledger.ids import new_id
from holdfast.ledger.records import NewJob

if TYPE_CHECKING:
    from holdfast.dispatch.task import LedgerTask

# What each message has of its own; all else is the first one's.
_OWN_FIELDS = frozenset({"id", "headers", "body", "root_id", "parent_id"})
_OWN_HEADERS = frozenset({"root_id", "parent_id", "argsrepr", "kwargsrepr"})
_EMBED: dict[str, Any] = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
_EMBEDDED = json.dumps(_EMBED)
# The encoder that kombu makes anew for each message.
_encode = json.JSONEncoder().encode
# Values whose text is the same whoever writes it, and how many of them are worth looking through.
_BARE = frozenset({int, float, bool, type(None)})
_FEW = 8


class Mould:
    """What all messages of one task with the same options have in common, read off the first."""

    def __init__(
        self, template: NewJob, task: LedgerTask, *, without: Collection[str] = ()
    ) -> None:
        """Take a message; headers named in `without` are its own, and not those of all."""
        headers = json.loads(template.headers)
        self.template = template
        self.task = task
        self.is_root = template.root_id == template.id
        self.encrypts = vault.is_encrypted(template.content_encoding)
        self._encoding = template.content_encoding.partition(vault.MARK)[0]
        self._common: dict[str, Any] = {
            field.name: getattr(template, field.name)
            for field in fields(template)
            if field.name not in _OWN_FIELDS
        }
        own = _OWN_HEADERS.union(without)
        shared = {key: value for key, value in headers.items() if key not in own}
        self._opening = json.dumps(shared)[:-1] + (", " if shared else "")
        self._compression = headers.get("compression")
        self._serializer = serialization.registry.type_to_name[template.content_type]
        self._is_json = not (self._compression or self.encrypts) and _is_stock_json(
            self._serializer
        )
        self._dump = task._dump_pydantic_arguments if self._serializer != "pickle" else None
        amqp = task.app.amqp
        self._longest = (amqp.argsrepr_maxsize, amqp.kwargsrepr_maxsize)
        self._levels = task.app.conf.task_repr_maxlevels
        self._redaction = redaction_of(task)
        self._hides_places = self._redaction.hides_places

    def checked(self, args: Any, kwargs: Any) -> tuple[Any, Any]:
        """Return the arguments as they travel.

        Raises:
            TypeError: the task does not take them.
        """
        if self.task.typing:
            self.task.__header__(*args, **kwargs)
        return (args, kwargs) if self._dump is None else self._dump(args, kwargs)

    def cast(
        self,
        args: Any,
        kwargs: Any,
        *,
        root_id: str | None = None,
        parent_id: str | None = None,
        carried: Mapping[str, str] | None = None,
    ) -> NewJob:
        """Make the message of one call, with arguments that are checked; without a root it is its own.

        `carried` are headers that this call takes along.
        """
        job_id = new_id()
        root_id = root_id or job_id
        headers = self.headers(args, kwargs, root_id, parent_id)
        if carried:
            headers = f"{headers[:-1]}, {json.dumps(carried)[1:]}"
        return NewJob(
            id=job_id,
            headers=headers,
            body=self.body(args, kwargs),
            root_id=root_id,
            parent_id=parent_id,
            **self._common,
        )

    def headers(self, args: Any, kwargs: Any, root_id: str, parent_id: str | None) -> str:
        """Return the stored headers of one call, as JSON."""
        parent = f', "parent_id": {quoted(parent_id)}' if parent_id else ""
        if self.encrypts:
            shown_args = shown_kwargs = quoted(vault.SHOWN)
        else:
            shown_args = quoted(self._shown_args(args))
            shown_kwargs = quoted(self._shown_kwargs(kwargs)) if kwargs else '"{}"'
        return (
            f'{self._opening}"root_id": {quoted(root_id)}{parent}, "argsrepr": {shown_args}, '
            f'"kwargsrepr": {shown_kwargs}}}'
        )

    def body(self, args: Any, kwargs: Any) -> bytes:
        """Return the body as it lies in the ledger.

        Raises:
            EncodeError: the serializer cannot write these arguments.
        """
        if self._is_json:
            try:
                return f"{_encode((args, kwargs))[:-1]}, {_EMBEDDED}]".encode()
            except Exception as error:  # kombu says in its own words what is wrong
                let_out_interruption(error)
        _, _, data = serialization.dumps((args, kwargs, _EMBED), serializer=self._serializer)
        if self._compression:
            data, _ = compress(data, self._compression)
        written = data.encode() if isinstance(data, str) else bytes(data)
        return vault.encrypt(written, self._encoding)[0] if self.encrypts else written

    def _shown_args(self, args: Any) -> str:
        longest = self._longest[0]
        text = (
            self._redaction.args_repr(args, longest)
            if self._hides_places
            else _bare_values(args, longest)
        )
        return self._redaction.text(text or saferepr(args, longest, maxlevels=self._levels))

    def _shown_kwargs(self, kwargs: Mapping[str, Any]) -> str:
        longest = self._longest[1]
        text = _bare_pairs(kwargs, longest)
        return self._redaction.text(text or saferepr(kwargs, longest, maxlevels=self._levels))


def _is_stock_json(serializer: str) -> bool:
    known = serialization.registry._encoders.get(serializer)
    return serializer == "json" and known is not None and known.encoder is json.dumps


def _bare_values(values: Any, longest: int) -> str | None:
    """Return the text of a few bare values as `saferepr` writes it; None if there is more to it."""
    if len(values) > _FEW:
        return None
    found = [_bare(value) for value in values]
    if None in found:
        return None
    text = ", ".join(found)  # type: ignore[arg-type]  # there is no None
    if type(values) is list:
        text = f"[{text}]"
    elif type(values) is tuple:
        text = f"({text},)" if len(found) == 1 else f"({text})"
    else:
        return None
    return text if len(text) < longest else None


def _bare_pairs(pairs: Mapping[str, Any], longest: int) -> str | None:
    if type(pairs) is not dict or len(pairs) > _FEW:
        return None
    names, values = [_bare(name) for name in pairs], [_bare(value) for value in pairs.values()]
    if None in names or None in values:
        return None
    inside = ", ".join(f"{name}: {value}" for name, value in zip(names, values, strict=True))
    return f"{{{inside}}}" if len(inside) + 2 < longest else None


def _bare(value: Any) -> str | None:
    kind = type(value)
    if kind is str:
        return "'" + value.replace("'", "\\'") + "'"
    return str(value) if kind in _BARE else None
