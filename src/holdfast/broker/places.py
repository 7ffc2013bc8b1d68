"""Where the broker is, by the project's settings: what each URL says, or why it says nothing; asks nobody."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

PORTS = {"redis": 6379, "rediss": 6379, "sentinel": 26379, "amqp": 5672, "amqps": 5671}
REDIS = ("redis", "rediss", "sentinel")
_ALIASES = {"pyamqp": "amqp", "librabbitmq": "amqp", "redis+socket": "unix", "socket": "unix"}
LOCAL_NAMES = {"localhost", "localhost.localdomain", "ip6-localhost"}
MOST_PORT = 65535
# After a host, and not inside of what may be a password.
_PORT = re.compile(r"^[\w+]+://(?:[^/?#]*@)?(?:\[[^\]]*\]|[^/?#@:]+):(\d{1,9})(?=[/?#]|$)(?!.*@)")
_ENCODED = (
    "its password has a character that ends it, or its port is no number: write / # ? @ : in a password as %2F %23 %3F "
    "%40 %3A"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One host of the broker's."""

    shown: str
    """The URL without its password."""
    setting: str
    """Which setting of Celery's names it."""
    scheme: str = ""
    host: str = ""
    port: int = 0
    user: str = ""
    password: str = ""
    database: str = "0"
    tls: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    """The query of the URL, over what CELERY_BROKER_USE_SSL says."""
    wrong: str = ""
    """Why it cannot be used; empty if it can."""

    @property
    def is_redis(self) -> bool:
        """Whether it is a Redis, or Sentinels that know one."""
        return self.scheme in REDIS

    @property
    def is_loopback(self) -> bool:
        """Whether it is this host itself."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host.lower() in LOCAL_NAMES

    @property
    def address(self) -> str:
        """`host:port`."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def places(conf: Any) -> list[Place]:
    """Return every host that Celery's settings name as the broker's, each once."""
    found: dict[str, Place] = {}
    for setting in ("broker_write_url", "broker_read_url"):
        for url in urls_of(conf.get(setting) or conf.get("broker_url")):
            found.setdefault(url, read(url, setting=setting, use_ssl=conf.broker_use_ssl))
    return list(found.values())


def urls_of(setting: Any) -> Iterator[str]:
    """Yield the single addresses of a setting: a text with semicolons, or a list."""
    several = setting if isinstance(setting, list | tuple) else str(setting or "").split(";")
    yield from (str(url).strip() for url in several if str(url).strip())


def read(url: str, *, setting: str = "broker_url", use_ssl: Any = None) -> Place:
    """Read one URL, and CELERY_BROKER_USE_SSL beside it; what is wrong with it is said in the answer."""
    if "://" not in url:
        wrong = "it has no scheme: Celery takes it for the host name of a RabbitMQ"
        return Place(shown=_hidden(url), setting=setting, wrong=wrong)
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname or ""
    except ValueError as error:
        # With a password in it, the error would show a part of that.
        unclear = _ENCODED if "@" in url else f"it cannot be read ({error})"
        wrong = port_beyond(url) or unclear
        scheme = url.partition("://")[0]
        return Place(shown=_hidden(url), setting=setting, scheme=scheme, wrong=wrong)
    scheme = _ALIASES.get(parts.scheme, parts.scheme)
    if scheme not in PORTS:
        return Place(shown=_hidden(url), setting=setting, scheme=scheme)
    given = dict(use_ssl) if isinstance(use_ssl, Mapping) else {}
    return Place(
        shown=_hidden(url),
        setting=setting,
        scheme=scheme,
        host=unquote(host),
        port=port or PORTS[scheme],
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        database=unquote(parts.path.strip("/")) or "0",
        tls=scheme in {"rediss", "amqps"} or (bool(given) and scheme == "redis"),
        options=given | dict(parse_qsl(parts.query)),
        wrong=_wrong(scheme, host, parts.path, parts.query, url),
    )


def port_beyond(url: str) -> str:
    """Say that the port of a URL is none that there can be; empty for one that is, or that cannot be made out."""
    found = _PORT.search(url)
    if found is None or int(found[1]) <= MOST_PORT:
        return ""
    return f"its port is {found[1]}, and {MOST_PORT} is the highest there is"


def _wrong(scheme: str, host: str, path: str, query: str, url: str) -> str:
    if "@" in path or "@" in query or "#" in url.rpartition("@")[0]:
        return _ENCODED
    if not host:
        return "it names no host"
    if scheme in REDIS and path.strip("/") and not path.strip("/").isdigit():
        return f"the database after the host is {path.strip('/')!r}, and it must be a number"
    if any(character.isspace() for character in url):
        return "there is a space in it"
    if host.startswith(("{", "$", "<")) or "$" in host:
        return f"its host {host!r} is a placeholder that nothing has filled in"
    return ""


def _hidden(url: str) -> str:
    """Return a URL without its password, also one that cannot be read."""
    scheme, found, rest = url.rpartition("://") if "://" in url else ("", "", url)
    account, at, place = rest.rpartition("@")
    if not at:
        return url
    user, colon, _ = account.partition(":")
    return f"{scheme}{found}{user}{colon}{'***' if colon else ''}@{place}"
