"""How the command reads times: a date, a date with a time, or how long ago."""

from __future__ import annotations

import argparse
import re
from datetime import datetime, timedelta

from django.utils import timezone

_AGO = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def moment(text: str) -> datetime:
    """Read a time; without an offset it is in the project's time zone.

    Raises:
        argparse.ArgumentTypeError: it is no time.
    """
    ago = _AGO.fullmatch(text.strip().lower())
    if ago:
        return timezone.now() - timedelta(**{_UNITS[ago[2]]: float(ago[1])})
    try:
        read = datetime.fromisoformat(text.strip())
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no time: write 2026-01-31, 2026-01-31T12:00, 90m, 6h or 2d"
        ) from None
    return read if read.tzinfo else timezone.make_aware(read)
