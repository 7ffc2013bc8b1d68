"""How the broker's certificate is verified, as kombu's Redis transport reads a URL and CELERY_BROKER_USE_SSL."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Any

from holdfast.broker.places import Place

_LEVELS = {
    "none": ssl.CERT_NONE,
    "cert_none": ssl.CERT_NONE,
    "optional": ssl.CERT_OPTIONAL,
    "cert_optional": ssl.CERT_OPTIONAL,
    "required": ssl.CERT_REQUIRED,
    "cert_required": ssl.CERT_REQUIRED,
}


def context_of(place: Place) -> ssl.SSLContext:
    """Return what a connection to a place is secured with.

    Raises:
        OSError: a file of a certificate or key cannot be read.
        ValueError: the level of verification is unknown.
    """
    options: Mapping[str, Any] = place.options
    context = ssl.create_default_context(cafile=options.get("ssl_ca_certs") or None)
    level = options.get("ssl_cert_reqs")
    # Without a word about it Celery verifies nothing.
    mode = ssl.CERT_NONE if level is None and not _says_anything(options) else _level(level)
    checks_name = str(options.get("ssl_check_hostname", "true")).lower() not in {"false", "0", "no"}
    context.check_hostname = checks_name and mode != ssl.CERT_NONE
    context.verify_mode = mode
    if options.get("ssl_certfile"):
        context.load_cert_chain(options["ssl_certfile"], options.get("ssl_keyfile"))
    return context


def _says_anything(options: Mapping[str, Any]) -> bool:
    return any(name.startswith("ssl_") for name in options)


def _level(said: Any) -> ssl.VerifyMode:
    if isinstance(said, ssl.VerifyMode):
        return said
    if said is None:
        return ssl.CERT_REQUIRED
    try:
        return _LEVELS[str(said).lower().removeprefix("verifymode.")]
    except KeyError:
        raise ValueError(
            f"ssl_cert_reqs is {said!r}: it must be none, optional or required"
        ) from None
