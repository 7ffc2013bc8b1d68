"""Who may read metrics without signing in: whoever has the token, or comes from an address that is named."""

from __future__ import annotations

import hmac
from ipaddress import ip_address, ip_network

from holdfast.conf import get_settings

BEARER = "Bearer "


def has_token(authorization: str, *, where_none: bool = False) -> bool:
    """Tell whether a header brings the token of the settings.

    Args:
        authorization: the header; empty if there is none.
        where_none: what is told where no token is set.
    """
    token = get_settings().metrics_token
    if not token:
        return where_none
    brought = authorization.removeprefix(BEARER) if authorization.startswith(BEARER) else ""
    # In a time that tells nothing of how much of it was right.
    return hmac.compare_digest(brought.encode(), token.encode())


def is_named(address: str) -> bool:
    """Tell whether an address is one of `metrics_from`, or lies in one of its networks."""
    try:
        here = ip_address(address)
    except ValueError:
        return False
    # As a server that listens for both kinds of addresses has those of the older one.
    here = getattr(here, "ipv4_mapped", None) or here
    return any(here in ip_network(network, strict=False) for network in get_settings().metrics_from)
