"""Where Django looks for the app's models; they are the ledger's."""

from __future__ import annotations

from holdfast.ledger.models import *  # noqa: F403  # all that its `__all__` names
