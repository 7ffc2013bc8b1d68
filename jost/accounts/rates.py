"""How often one address of the network may ask for mails or try links; the same for pages and API."""

from __future__ import annotations

from typing import Any

from rest_framework.throttling import SimpleRateThrottle

from jost.api.rates import StrangerRate


class MailRate(SimpleRateThrottle):
    """Counts who is signed in, too: a mail goes to somebody else."""

    cache = StrangerRate.cache
    scope = "mail"

    def get_cache_key(self, request: Any, view: object) -> str:  # noqa: ARG002  # as DRF calls it
        return f"throttle_mail_{self.get_ident(request)}"
