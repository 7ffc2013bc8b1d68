"""How the Redis server is set, and how it is: by its own word, once it lets us in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from holdfast.doctor.findings import Finding
from holdfast.doctor.probes import broker_words, server_words
from holdfast.doctor.probing import probe

if TYPE_CHECKING:
    from holdfast.doctor.look import Look

OLDEST = (6, 2)
NEARLY_FULL = 0.8
MANY = 0.8
_AFTER = ("settings", "broker", "redis")


@probe(
    area="broker",
    finds=[
        server_words.REPLICA,
        broker_words.CLUSTER,
        server_words.OLD_SERVER,
        server_words.CONFIGURATION_HIDDEN,
    ],
    after=_AFTER,
)
def redis_is_the_one(look: Look) -> Iterator[Finding]:
    """Whether the Redis is a master, alone, new enough, and says how it is set."""
    info = look.info()
    version, role = str(info.get("redis_version", "")), info.get("role")
    look.facts["broker.version"], look.facts["broker.role"] = version, role
    look.facts["broker.uptime_seconds"] = info.get("uptime_in_seconds")
    if role in {"slave", "replica"}:
        master = f"{info.get('master_host')}:{info.get('master_port')}"
        yield server_words.REPLICA.seen(
            f"Its role is replica, of {master}; the link to it is {info.get('master_link_status')}.",
            repair=f"Name its master {master} in CELERY_BROKER_URL, or the Sentinels (sentinel://), or make this one "
            "the master: redis-cli REPLICAOF NO ONE.",
            master=master,
        )
    if info.get("cluster_enabled"):
        yield broker_words.CLUSTER.seen("The server says cluster_enabled:1.")
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if numbers and numbers < OLDEST:
        yield server_words.OLD_SERVER.seen(f"It is Redis {version}.", version=version)
    if look.config("maxmemory-policy") is None:
        yield server_words.CONFIGURATION_HIDDEN.seen(
            "CONFIG GET is refused or renamed; INFO alone was read."
        )


@probe(area="broker", finds=server_words.MEMORY, after=_AFTER)
def redis_keeps_messages(look: Look) -> Iterator[Finding]:
    """Whether Redis evicts, has a limit of memory, and has room."""
    info = look.info()
    policy = str(info.get("maxmemory_policy", ""))
    limit, used = int(info.get("maxmemory", 0)), int(info.get("used_memory", 0))
    evicted = int(info.get("evicted_keys", 0))
    if policy.startswith("allkeys") and limit:
        yield server_words.EVICTS.seen(
            f"maxmemory-policy is {policy}, maxmemory {_mib(limit)}; {evicted} keys were evicted since it started.",
            policy=policy,
            evicted=evicted,
        )
    elif policy and policy != "noeviction":
        yield server_words.COULD_EVICT.seen(
            f"maxmemory-policy is {policy}, maxmemory {_mib(limit) if limit else 'is not set'}.",
            policy=policy,
        )
    if not limit:
        yield server_words.NO_LIMIT.seen(f"maxmemory is 0; it uses {_mib(used)}.", used=used)
    elif used >= limit and policy == "noeviction":
        yield server_words.FULL.seen(
            f"It uses {_mib(used)} of {_mib(limit)}, and refuses writes.", used=used, limit=limit
        )
    elif used >= limit * NEARLY_FULL:
        yield server_words.NEARLY_FULL.seen(
            f"It uses {_mib(used)} of {_mib(limit)}, {used / limit:.0%}.", used=used, limit=limit
        )


@probe(area="broker", finds=server_words.DISK, after=_AFTER)
def redis_writes_to_disk(look: Look) -> Iterator[Finding]:
    """Whether Redis keeps its data over a restart, and whether the last writing went well."""
    info, saves = look.info(), look.config("save")
    failed = {
        name: info[name]
        for name in ("rdb_last_bgsave_status", "aof_last_bgrewrite_status", "aof_last_write_status")
        if info.get(name) not in {None, "ok"}
    }
    if failed:
        stops = look.config("stop-writes-on-bgsave-error") != "no" and bool(saves)
        refuses = "aof_last_write_status" in failed or (
            stops and "rdb_last_bgsave_status" in failed
        )
        what = ", ".join(f"{name} is {value}" for name, value in failed.items())
        yield server_words.SAVE_FAILS.seen(
            f"{what}{'; it refuses writes until it succeeds (MISCONF)' if refuses else ''}.",
            refuses_writes=refuses,
        )
    if not info.get("aof_enabled") and saves == "":
        yield server_words.NOT_PERSISTED.seen('appendonly is no, and save is "".')


@probe(area="broker", finds=server_words.CONNECTIONS, after=_AFTER)
def redis_keeps_connections(look: Look) -> Iterator[Finding]:
    """Whether Redis closes connections that are idle, finds those that are dead, and has room for more."""
    info = look.info()
    idle, keepalive = look.config("timeout"), look.config("tcp-keepalive")
    look.facts["broker.idle_timeout"] = idle
    if idle not in {None, "0"}:
        yield server_words.IDLE_TIMEOUT.seen(f"timeout is {idle} seconds.", seconds=int(idle or 0))
    if keepalive == "0":
        yield server_words.NO_KEEPALIVE.seen("tcp-keepalive is 0.")
    most = int(info.get("maxclients") or look.config("maxclients") or 0)
    clients = int(info.get("connected_clients", 0))
    refused = int(info.get("rejected_connections", 0))
    look.facts["broker.rejected_connections"] = refused
    if most and clients >= most * MANY:
        yield server_words.MANY_CLIENTS.seen(
            f"{clients} of {most} clients are connected; {refused} were refused since it started.",
            clients=clients,
            most=most,
        )


def _mib(count: int) -> str:
    return f"{count / 2**20:.1f} MiB"
