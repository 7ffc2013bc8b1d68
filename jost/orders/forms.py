"""What a person may order on a page."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import uuid4

from django import forms

from .checkout import MOST_OF_A_PRODUCT
from .models import Product


def new_key() -> str:
    """A key for one order of one page."""
    return uuid4().hex


class CheckoutForm(forms.Form):
    """How many of each product, and for whom; `key` makes a double click one order."""

    email = forms.EmailField(
        label="Mail address", widget=forms.EmailInput(attrs={"autocomplete": "email"})
    )
    key = forms.CharField(max_length=80, widget=forms.HiddenInput)

    def __init__(self, *args: Any, products: Iterable[Product], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._products = list(products)
        for product in self._products:
            self.fields[f"quantity_{product.pk}"] = forms.IntegerField(
                label=product.name,
                required=False,
                min_value=0,
                max_value=MOST_OF_A_PRODUCT,
                initial=0,
                widget=forms.NumberInput(attrs={"inputmode": "numeric"}),
                error_messages={
                    "max_value": f"At most {MOST_OF_A_PRODUCT} at once.",
                    "min_value": "None, or more.",
                },
            )

    def quantities(self) -> dict[int, int]:
        """So many of each product, by its id."""
        return {
            product.pk: self.cleaned_data[f"quantity_{product.pk}"] or 0
            for product in self._products
        }

    def take_new_key(self) -> None:
        """Let what is said next with this form be another order."""
        self.data = {name: self.data[name] for name in self.data} | {"key": new_key()}

    def lines(self) -> list[tuple[Product, forms.BoundField]]:
        """Each product with its field."""
        return [(product, self[f"quantity_{product.pk}"]) for product in self._products]
