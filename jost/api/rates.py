"""How often one caller may call: counted in the memory of each web process.

Not in Redis: an API that cannot count its callers while Redis is away would be away too. With
several web processes a caller may have as many times the rate.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.cache import caches
from rest_framework.throttling import AnonRateThrottle, ScopedRateThrottle, UserRateThrottle

if TYPE_CHECKING:
    from rest_framework.request import Request
    from rest_framework.views import APIView

CACHE = "rates"


class StrangerRate(AnonRateThrottle):
    """By address, for who is not signed in."""

    cache = caches[CACHE]


class UserRate(UserRateThrottle):
    """By user."""

    cache = caches[CACHE]


class ScopedRate(ScopedRateThrottle):
    """By user and scope: what costs more may be had less often."""

    cache = caches[CACHE]

    def allow_request(self, request: Request, view: APIView) -> bool:
        self.scope = scope_of(view)
        if self.scope is None:
            return True
        self.rate = self.get_rate()
        self.num_requests, self.duration = self.parse_rate(self.rate)
        # Past the stock class, which knows one scope for all of a view.
        return super(ScopedRateThrottle, self).allow_request(request, view)


def scope_of(view: Any) -> str | None:
    """The scope of what is asked of a view: its `throttle_scopes` have it by action, or it has one for all."""
    scopes: dict[str, str] = getattr(view, "throttle_scopes", {})
    return scopes.get(getattr(view, "action", ""), getattr(view, "throttle_scope", None))
