"""All of JOST for a browser: its web server, a worker for every app, and gateways that keep a record."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from holdfast.testing.services import RedisServer
from tests.jost_site import EVERY_QUEUE, JostSite
from tests.outside import Outside


@dataclass(frozen=True, kw_only=True)
class Served:
    """What a browser needs of a site: where it is, and what its server wrote."""

    address: str
    log: Path

    @property
    def root(self) -> str:
        return f"{self.address}/"

    def log_tail(self) -> str:
        return "\n".join(self.log.read_text().splitlines()[-40:])


@dataclass(kw_only=True)
class JostGround:
    """The site, the world outside, and the numbers of what stands in its lists from the beginning."""

    web: Served
    site: JostSite
    outside: Outside
    made: dict[str, Any]


@contextmanager
def served_jost(directory: Path, *, seed: str, imports: str) -> Iterator[JostGround]:
    """Start all of it; `seed` is an expression that makes what is there from the beginning, by name."""
    redis = directory / "redis"
    redis.mkdir()
    with (
        RedisServer(redis) as server,
        Outside(directory) as outside,
        JostSite(directory, redis_url=server.url, gateways_url=outside.url) as site,
    ):
        made = site.ask(seed, imports=imports)
        web = Served(address=site.web(), log=directory / "web.log")
        site.worker(queues=EVERY_QUEUE)
        yield JostGround(web=web, site=site, outside=outside, made=made)
