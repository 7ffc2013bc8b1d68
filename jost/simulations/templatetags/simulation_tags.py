"""How numbers, rules and charts look on the pages."""

from django import template

from jost.simulations import wording

register = template.Library()


@register.filter
def grouped(number: float) -> str:
    return wording.grouped(number)


@register.filter
def percent(value: object, digits: int = 3) -> str:
    return wording.percent(value, digits=digits)


@register.filter
def unsigned_percent(value: object, digits: int = 3) -> str:
    return wording.percent(value, digits=digits, sign=False)


@register.filter
def plain(value: object, digits: int = 2) -> str:
    return wording.plain(value, digits=digits)


@register.filter
def count(value: int) -> str:
    return wording.count(value)


@register.filter
def words(said: object) -> list[str]:
    """Rules or a whole setup as short words, one per chip."""
    return str(said).split(", ")


@register.filter
def named(form: object, name: str) -> object:
    """A field of a form by its name."""
    return form[name]  # type: ignore[index]
