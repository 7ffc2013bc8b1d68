"""Products, orders and their payments; written by web and by workers of the queue `critical`."""

from __future__ import annotations

from decimal import Decimal

from django.conf import settings
from django.core.validators import MinValueValidator
from django.db import models
from django.urls import reverse
from django.utils import timezone


class Product(models.Model):
    """What can be bought while there is some left."""

    name = models.CharField(max_length=80, unique=True)
    price = models.DecimalField(
        max_digits=8, decimal_places=2, validators=[MinValueValidator(Decimal("0.01"))]
    )
    stock = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Order(models.Model):
    """What somebody wants to buy, and how far that has come."""

    class State(models.TextChoices):
        PLACED = "placed"
        RESERVED = "reserved"
        CHARGED = "charged"
        CONFIRMED = "confirmed"
        FAILED = "failed"
        REFUNDING = "refunding"
        REFUNDED = "refunded"

    # Somebody has to go on with these: a job, or whoever finds them stuck.
    UNDER_WAY = (State.PLACED, State.RESERVED, State.CHARGED, State.REFUNDING)

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="orders"
    )
    # What a form or a caller says a second time is the same order.
    key = models.CharField(max_length=120, unique=True)
    email = models.EmailField()
    # The id of the request that placed it, for whoever looks why; whoever sends it on keeps to it.
    correlation = models.CharField(max_length=128, blank=True, db_default="")
    state = models.CharField(max_length=16, choices=State, default=State.PLACED)
    reason = models.CharField(max_length=200, blank=True)
    total = models.DecimalField(max_digits=14, decimal_places=2)
    created_at = models.DateTimeField(default=timezone.now)
    moved_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["state", "moved_at"], name="order_by_move")]

    def __str__(self) -> str:
        return f"order {self.pk} ({self.state})"

    def get_absolute_url(self) -> str:
        return reverse("orders:detail", args=[self.pk])

    @property
    def goes_on(self) -> bool:
        """Whether more is to come without anybody's doing, be it the receipt."""
        if self.state == self.State.CONFIRMED:
            return self.receipt.sent_at is None
        return self.state in self.UNDER_WAY


class OrderEvent(models.Model):
    """An order came into a state, or somebody said something of it; never changed."""

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="events")
    state = models.CharField(max_length=16, choices=Order.State)
    reason = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.state} at {self.created_at:%Y-%m-%d %H:%M}"


class OrderItem(models.Model):
    """Some of one product; its price is that of the moment of the order."""

    class State(models.TextChoices):
        WANTED = "wanted"
        RESERVED = "reserved"
        SHORT = "short"
        RETURNED = "returned"

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="items")
    product = models.ForeignKey(Product, on_delete=models.PROTECT)
    quantity = models.PositiveIntegerField(validators=[MinValueValidator(1)])
    price = models.DecimalField(max_digits=8, decimal_places=2)
    state = models.CharField(max_length=16, choices=State, default=State.WANTED)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["order", "product"], name="one_item_of_a_product")
        ]

    def __str__(self) -> str:
        return f"{self.quantity} x {self.product}"


class Payment(models.Model):
    """The money of one order; `number` and `refund_number` are the gateway's own."""

    order = models.OneToOneField(Order, on_delete=models.CASCADE, related_name="payment")
    amount = models.DecimalField(max_digits=14, decimal_places=2)
    number = models.BigIntegerField(null=True)
    charged_at = models.DateTimeField(null=True)
    # A refund that was asked for after so many had been declined is another one.
    refunds_declined = models.PositiveIntegerField(default=0, db_default=0)
    refund_number = models.BigIntegerField(null=True)
    refunded_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.amount} for order {self.order_id}"

    @property
    def refund_key(self) -> str:
        """What the gateway knows the refund by; one that was declined keeps its key, and its answer."""
        again = f":{self.refunds_declined + 1}" if self.refunds_declined else ""
        return f"refund:{self.order_id}{again}"


class Receipt(models.Model):
    """The mail that says what was paid."""

    order = models.OneToOneField(Order, on_delete=models.CASCADE, related_name="receipt")
    sent_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["order"], condition=models.Q(sent_at=None), name="receipt_unsent")
        ]

    def __str__(self) -> str:
        return f"receipt of order {self.order_id}"
