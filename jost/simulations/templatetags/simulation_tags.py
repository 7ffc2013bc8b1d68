"""How numbers and rules look on the pages."""

from datetime import datetime, timedelta

from django import template
from django.utils import timezone
from django.utils.timesince import timesince

from jost.simulations.engine import Rules

register = template.Library()

MINUS, DASH, NARROW_SPACE = "\u2212", "\u2013", "\u202f"


@register.filter
def grouped(number: int) -> str:
    """100 000 000 with narrow spaces, which break no line."""
    return f"{number:,}".replace(",", NARROW_SPACE)


@register.filter
def percent(value: object, digits: int = 3) -> str:
    """A share of the bet in percent with its sign; a dash for what is not known yet."""
    if not isinstance(value, float):
        return DASH
    return f"{value * 100:+.{digits}f}{NARROW_SPACE}%".replace("-", MINUS)


@register.filter
def rule_words(rules: Rules) -> list[str]:
    """The rules as short words, one per chip."""
    return str(rules).split(", ")


@register.filter
def unsigned_percent(value: object, digits: int = 3) -> str:
    return percent(value, digits).lstrip("+")


@register.filter
def ago(moment: datetime) -> str:
    """How long ago, in one unit."""
    if timezone.now() - moment < timedelta(minutes=1):
        return "just now"
    return f"{timesince(moment, depth=1)} ago"
