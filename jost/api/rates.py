"""How often one caller may call: counted in the memory of each web process.

Not in Redis: an API that cannot count its callers while Redis is away would be away too. With
several web processes a caller may have as many times the rate.
"""

from __future__ import annotations

from django.core.cache import caches
from rest_framework.throttling import AnonRateThrottle, ScopedRateThrottle, UserRateThrottle

CACHE = "rates"


class StrangerRate(AnonRateThrottle):
    """By address, for who is not signed in."""

    cache = caches[CACHE]


class UserRate(UserRateThrottle):
    """By user."""

    cache = caches[CACHE]


class ScopedRate(ScopedRateThrottle):
    """By user and `throttle_scope` of the view: what costs more may be had less often."""

    cache = caches[CACHE]
