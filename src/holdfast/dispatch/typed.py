"""Arguments held to their annotations: checked where a task is called, and what they say where its body runs.

What travels is plain JSON, so a waiting job outlives the class its argument was made of. The caller makes of it
again what the body will get: what would not come back as it was is refused before anything is recorded.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import (
    PydanticSerializationError,
    to_json,
    to_jsonable_python,
)

from holdfast.exceptions import ConfigurationError, InvalidArguments

_SHOWN = 3
_PLACES = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_NAMES = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
# Anything goes: such arguments travel as if they had no annotation.
_OPEN: tuple[Any, ...] = (inspect.Parameter.empty, Any, object)
Convert = Callable[["Annotation", Any], Any]


class Annotations:
    """What the annotations of one task say of its arguments; made once in each process.

    Raises:
        ConfigurationError: an annotation cannot be read, or is none that a value can be held to.
    """

    def __init__(self, task: Any) -> None:
        self.task: str = task.name
        # As Celery's own `pydantic=True` gives it to the validators of models.
        context = {
            **(getattr(task, "pydantic_context", None) or {}),
            "celery_app": task.app,
            "celery_task_name": task.name,
        }
        parameters = list(inspect.signature(task.run).parameters.values())
        hints = _hints(task)
        found = {
            p.name: Annotation(task.name, p.name, hints[p.name], context)
            for p in parameters
            if p.name in hints and hints[p.name] not in _OPEN
        }
        self._places = [found.get(p.name) for p in parameters if p.kind in _PLACES]
        self._names = {p.name: found.get(p.name) for p in parameters if p.kind in _NAMES}
        self._further: dict[Any, Annotation | None] = {
            p.kind: found.get(p.name) for p in parameters
        }

    def to_send(self, args: Any, kwargs: Any) -> tuple[Any, Any]:
        """Return arguments as they travel; the same again for what has travelled already.

        Raises:
            InvalidArguments: one does not fit its annotation, or would not come back as it is.
        """
        return self._converted(args, kwargs, Annotation.to_send)

    def to_sign(self, args: Any, kwargs: Any) -> tuple[Any, Any]:
        """Return the arguments of a signature: a result may come before the positional ones, so their place is open."""
        _, named = self._converted((), kwargs, Annotation.to_send)
        return tuple(_plain(value) for value in args or ()), named

    def to_run(self, args: Any, kwargs: Any) -> tuple[Any, Any]:
        """Return arguments as the body wants them.

        Raises:
            InvalidArguments: one does not fit its annotation, such as that of a job older than the annotation.
        """
        return self._converted(args, kwargs, Annotation.to_run)

    def misfits(
        self, args: Sequence[Any], kwargs: Mapping[str, Any], *, unknown: object
    ) -> list[str]:
        """Return the parameters whose arguments do not fit; `unknown` stands for a value that is not there yet."""
        found: list[str] = []

        def note(annotation: Annotation, value: Any) -> None:
            try:
                if value is not unknown:
                    annotation.to_run(value)
            except InvalidArguments:
                found.append(annotation.parameter)

        self._converted(args, kwargs, note)
        return found

    def _converted(self, args: Any, kwargs: Any, convert: Convert) -> tuple[Any, Any]:
        places, further = self._places, self._further.get(inspect.Parameter.VAR_POSITIONAL)
        made = tuple(
            _made(places[index] if index < len(places) else further, value, convert)
            for index, value in enumerate(args or ())
        )
        rest = self._further.get(inspect.Parameter.VAR_KEYWORD)
        named = {
            name: _made(self._names.get(name, rest), value, convert)
            for name, value in (kwargs or {}).items()
        }
        return made, named


class Annotation:
    """The annotation of one parameter."""

    def __init__(self, task: str, parameter: str, hint: Any, context: Mapping[str, Any]) -> None:
        self.task = task
        self.parameter = parameter
        self._hint = hint
        self._context = dict(context)
        try:
            self._type: TypeAdapter[Any] = TypeAdapter(hint)
        except (
            Exception
        ) as error:  # pydantic's own errors, and those of whatever the annotation calls
            raise ConfigurationError(
                f"Task {task!r}: the annotation {self._said} of its parameter {parameter!r} is none that pydantic can "
                f"hold a value to ({type(error).__name__}). Annotate it with a type it knows, or with Any."
            ) from error

    def to_send(self, given: Any) -> Any:
        """Return a value as plain JSON from which the very same value can be made."""
        value = self.to_run(given)
        try:
            sent = self._type.dump_python(
                value,
                mode="json",
                by_alias=False,
                round_trip=True,
                warnings="error",
                context=self._context,
            )
            returned = self._made(sent)
        except (PydanticSerializationError, ValidationError):
            raise self._changed(value) from None
        if returned != value:
            raise self._changed(value)
        return sent

    def to_run(self, given: Any) -> Any:
        """Return a value as its annotation says."""
        try:
            return self._made(given)
        except ValidationError as error:
            # Not chained: pydantic's own message shows the value, which may be nobody's business.
            raise self._refused(
                f"got {_kind(given)}, which does not fit {self._said}: {_problems(error)}. "
                "Send what the annotation says, or change the annotation."
            ) from None

    def _made(self, value: Any) -> Any:
        try:
            return self._type.validate_python(
                value, by_alias=True, by_name=True, context=self._context
            )
        except ValidationError as error:
            # A strict model takes a text for a time from JSON only.
            try:
                text = to_json(value, inf_nan_mode="constants")
                return self._type.validate_json(
                    text, by_alias=True, by_name=True, context=self._context
                )
            except (ValidationError, PydanticSerializationError):
                raise error from None

    def _changed(self, value: Any) -> InvalidArguments:
        return self._refused(
            f"got {_kind(value)} that is another one after its way as JSON of {self._said}. Annotate it with the class "
            "that is sent, and send nothing that its JSON hides, shortens or leaves out."
        )

    def _refused(self, why: str) -> InvalidArguments:
        return InvalidArguments(
            f"Task {self.task!r}: its parameter {self.parameter!r} {why}",
            task=self.task,
            parameter=self.parameter,
        )

    @property
    def _said(self) -> str:
        return inspect.formatannotation(self._hint).replace("typing.", "")


def _made(annotation: Annotation | None, value: Any, convert: Convert) -> Any:
    return value if annotation is None else convert(annotation, value)


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, str | int | float):
        return value
    try:
        return to_jsonable_python(value, by_alias=False, round_trip=True)
    except PydanticSerializationError:  # the serializer says what it thinks of it
        return value


def _hints(task: Any) -> dict[str, Any]:
    try:
        return typing.get_type_hints(inspect.unwrap(task.run), include_extras=True)
    except (AttributeError, NameError, TypeError) as error:
        raise ConfigurationError(
            f"Task {task.name!r} has typed_arguments=True, and its annotations cannot be read: {error}. Import what "
            "they name where the task is defined, and not under TYPE_CHECKING alone."
        ) from error


def _kind(value: Any) -> str:
    name = type(value).__qualname__
    return f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"


def _problems(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_context=False, include_input=False)
    shown = [
        f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}"
        if problem["loc"]
        else problem["msg"]
        for problem in found[:_SHOWN]
    ]
    more = [f"and {len(found) - _SHOWN} more"] if len(found) > _SHOWN else []
    return "; ".join(shown + more)
