"""Saved groups: `GroupResult.save()` and its way back."""

from __future__ import annotations

from django.db.models.functions import Now

from holdfast.ledger.database import alias
from holdfast.ledger.models import Group


def save_group(group_id: str, encoded: bytes) -> None:
    """Keep an encoded GroupResult under its id."""
    Group.objects.using(alias()).update_or_create(
        id=group_id, defaults={"result": encoded, "stored_at": Now()}
    )


def load_group(group_id: str) -> bytes | None:
    """Return the encoded GroupResult, or None."""
    row = Group.objects.using(alias()).filter(id=group_id).values_list("result", flat=True).first()
    return None if row is None else bytes(row)


def delete_group(group_id: str) -> None:
    """Forget a saved group."""
    Group.objects.using(alias()).filter(id=group_id).delete()
