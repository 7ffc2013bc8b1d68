"""Arguments held to their annotations: what is sent, what comes back, and what is refused."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kombu.serialization import dumps, loads
from pydantic import BaseModel, Field, SecretStr

from holdfast import Celery
from holdfast.dispatch.typed import Annotations
from holdfast.exceptions import ConfigurationError, InvalidArguments
from tests.shop.orders import Address, GiftOrder, Line, Order, Speed, StrictOrder, TenantOrder

if TYPE_CHECKING:
    from tests.shop.orders import Nowhere  # type: ignore[attr-defined]

NOW = datetime(2026, 11, 21, 12, 30, 15, 123456, tzinfo=UTC)
NOTHING = {"orderNumber": 1, "lines": [{"article": "a", "quantity": 0}]}
ORDER = Order(orderNumber=7, lines=[Line(article="a", quantity=2)], placed=NOW, speed=Speed.FAST)


def task(body: Callable[..., Any], **options: Any) -> Any:
    app = Celery("typed", broker="redis://127.0.0.1:1/0", set_as_current=False)
    return app.task(name="shop.ship", typed_arguments=True, lazy=False, shared=False, **options)(
        body
    )


def typed(body: Callable[..., Any], **options: Any) -> Annotations:
    found: Annotations = task(body, **options).argument_annotations
    return found


def takes(kind: Any) -> Annotations:
    """Return the annotations of a task with one parameter of that kind."""

    def body(value: Any) -> None:
        """Be the body."""

    body.__annotations__["value"] = kind
    return typed(body)


def travelled(value: Any) -> Any:
    """Return a value as it comes over JSON."""
    content_type, encoding, data = dumps(value, serializer="json")
    return loads(data, content_type, encoding)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Order, ORDER),
        (list[Order], [ORDER, ORDER]),
        (Order | None, None),
        (dict[int, Speed], {1: Speed.FAST}),
        (StrictOrder, StrictOrder(placed=NOW)),
        (Address, Address("Main Street", NOW)),
        (tuple[UUID, Decimal], (UUID(int=7), Decimal("1.10"))),
        (set[date], {NOW.date()}),
        (timedelta, timedelta(seconds=1.5)),
        (bytes, b"text"),
        (float, float("inf")),
    ],
)
def test_value_comes_back_as_it_was_sent(kind: Any, value: Any) -> None:
    held = takes(kind)
    sent = travelled(held.to_send((value,), {}))
    assert held.to_run(*sent) == ((value,), {})
    assert travelled(held.to_send(*sent)) == sent, "a retry sends what has travelled"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    st.lists,
    max_leaves=5,
)


@given(
    st.builds(
        Order,
        orderNumber=st.integers(),
        lines=st.lists(st.builds(Line, article=st.text(), quantity=st.integers(1, 10**9))),
        placed=st.none() | st.datetimes(),
        speed=st.sampled_from(Speed),
    ),
    st.lists(st.integers()),
    json_values,
)
def test_whatever_is_sent_is_what_the_body_gets(
    order: Order, numbers: list[int], other: Any
) -> None:
    def body(order: Order, *numbers: int, other: Any, **more: Order) -> None:
        """Be the body."""

    held = typed(body)
    kwargs = {"other": other, "again": order}
    assert held.to_run(*travelled(held.to_send((order, *numbers), kwargs))) == (
        (order, *numbers),
        kwargs,
    )


def test_plain_values_are_made_into_what_the_annotation_says() -> None:
    given = {"orderNumber": "7", "lines": [{"article": "a", "quantity": 2}], "speed": "fast"}
    made = takes(Order).to_run(*travelled(takes(Order).to_send((given,), {})))[0][0]
    assert (made.number, made.lines[0].quantity, made.speed) == (7, 2, Speed.FAST)


@pytest.mark.parametrize(
    ("kind", "value", "said"),
    [
        (Order, NOTHING, "a dict, which does not fit .*Order: lines.0.quantity: Input should be greater than 0"),
        (int, "hunter2", "a str, which does not fit int: Input should be a valid integer"),
        (list[date], [None], r"a list, which does not fit list\[datetime.date\]: 0: "),
        (Order, None, "a NoneType, which"),
    ],
)  # fmt: skip
def test_refusal_names_task_parameter_and_kind_and_never_the_value(
    kind: Any, value: Any, said: str
) -> None:
    with pytest.raises(InvalidArguments, match=said) as refused:
        takes(kind).to_send((), {"value": value})
    assert (refused.value.task, refused.value.parameter) == ("shop.ship", "value")
    assert str(refused.value).startswith("Task 'shop.ship': its parameter 'value' got ")
    assert isinstance(refused.value, TypeError), "as Celery's own check of the arguments raises"
    assert "hunter2" not in "".join(traceback.format_exception(refused.value))


class Hidden(BaseModel):
    note: str = Field("", exclude=True)


class Secret(BaseModel):
    word: SecretStr


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Order, GiftOrder(orderNumber=1, message="dear")),
        (Hidden, Hidden(note="x")),
        (Secret, Secret(word=SecretStr("hunter2"))),
        (list[Any], [NOW]),
        (Order, Order.model_construct(number=None)),  # type: ignore[arg-type]  # so it is tested
    ],
)
def test_value_that_would_come_back_as_another_one_is_refused(kind: Any, value: Any) -> None:
    with pytest.raises(InvalidArguments, match="is another one after its way as JSON") as refused:
        takes(kind).to_send((value,), {})
    assert "hunter2" not in str(refused.value)


def test_arguments_without_annotations_travel_as_they_are() -> None:
    value = object()
    held = typed(lambda_with_open_parameters)
    assert held.to_send((value, value), {"c": value}) == ((value, value), {"c": value})
    assert held.to_send((1, 2, 3), {"z": 4}) == ((1, 2, 3), {"z": 4}), "Celery counts them"


def lambda_with_open_parameters(a, b: Any, *, c: object = None) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    """Say nothing of its arguments."""


def test_self_of_a_bound_task_is_no_argument_even_with_autoretry() -> None:
    def body(self: Any, order: Order) -> None:
        """Be the body of a bound task."""

    held = typed(body, bind=True, autoretry_for=(ValueError,))
    (sent,), _ = held.to_send((ORDER,), {})
    assert sent["number"] == 7


def test_models_with_a_context_get_the_one_of_celery() -> None:
    def body(order: TenantOrder) -> None:
        """Be the body."""

    held = typed(body, pydantic=True, pydantic_context={"tenant": "acme"})
    assert held.to_send(({"number": 1},), {}) == (({"number": 1},), {})
    with pytest.raises(InvalidArguments, match="nobody's order"):
        typed(body).to_send(({"number": 1},), {})


def test_annotation_that_cannot_be_read_is_refused_with_the_repair() -> None:
    def body(order: Nowhere) -> None:
        """Name a type that is not there when the program runs."""

    with pytest.raises(ConfigurationError, match="not under TYPE_CHECKING alone"):
        typed(body)


def test_annotation_that_holds_nothing_is_refused_with_the_repair() -> None:
    class Foreign:
        pass

    with pytest.raises(
        ConfigurationError, match="parameter 'value' is none that pydantic can hold"
    ):
        takes(Foreign)


def test_task_called_as_a_function_gets_what_its_annotations_say() -> None:
    def body(order: Order) -> Order:
        return order

    assert task(body)({"orderNumber": 7}) == Order(orderNumber=7)
    assert task(body).s(Order(orderNumber=7))() == Order(orderNumber=7)


def test_signature_holds_plain_values_and_checks_what_has_a_name() -> None:
    def body(result: int, order: Order, *, line: Line) -> None:
        """Take the result of a step before first."""

    held, line = task(body), Line(article="a", quantity=1)
    signature = held.s(ORDER, line=line)
    assert travelled(dict(signature))["args"][0]["number"] == 7
    assert signature.kwargs["line"]["quantity"] == 1
    with pytest.raises(InvalidArguments, match="'line'"):
        held.s(ORDER, line={"article": "a", "quantity": 0})
    with pytest.raises(InvalidArguments, match="'result'"):
        held.si(ORDER, line=line)
    assert held.subtask((ORDER,)).args[0]["number"] == 7


def test_refusal_can_be_stored_and_pickled() -> None:
    import pickle

    with pytest.raises(InvalidArguments) as refused:
        takes(int).to_send(("x",), {})
    again = pickle.loads(pickle.dumps(refused.value))
    assert (str(again), again.parameter) == (str(refused.value), "value")
    assert str(InvalidArguments(*refused.value.args)) == str(refused.value)


@dataclass
class Point:
    x: int


def test_signature_leaves_alone_what_it_cannot_write() -> None:
    def body(value: Any) -> None:
        """Be the body."""

    odd = object()
    assert task(body).s(odd, Point(1)).args == (odd, {"x": 1})
