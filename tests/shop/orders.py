"""What the tasks of the shop are called with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator


class Speed(Enum):
    FAST = "fast"
    SLOW = "slow"


class Line(BaseModel):
    article: str
    quantity: int = Field(gt=0)
    price: Decimal = Decimal("9.99")


class Order(BaseModel):
    model_config = ConfigDict(populate_by_name=False)

    number: int = Field(alias="orderNumber")
    lines: list[Line] = []
    placed: datetime | None = None
    speed: Speed = Speed.SLOW


class GiftOrder(Order):
    message: str = ""


class StrictOrder(BaseModel):
    model_config = ConfigDict(strict=True)

    placed: datetime


class TenantOrder(BaseModel):
    """Can only be made where somebody says for whom."""

    number: int

    @field_validator("number")
    @classmethod
    def belongs(cls, number: int, info: ValidationInfo) -> int:
        context: dict[str, Any] = info.context or {}
        if context.get("tenant") != "acme" or "celery_task_name" not in context:
            raise ValueError("nobody's order")
        return number


@dataclass
class Address:
    street: str
    since: datetime
