"""What is said of how a Redis server is set, and how it is."""

from __future__ import annotations

from holdfast.doctor.findings import define

EVICTS = define(
    "holdfast.E340",
    title="Redis evicts whole queues when its memory is full",
    leads_to="Tickets are published again by the ledger after 10 s each time; messages of tasks with durable=False, "
    "and results kept in Redis, are lost without a word.",
    repair="redis-cli CONFIG SET maxmemory-policy noeviction, and the same line in redis.conf; a cache that wants to "
    "evict gets a Redis of its own.",
)
COULD_EVICT = define(
    "holdfast.W341",
    title="Redis may evict keys",
    leads_to="volatile-* evicts keys with an end, such as results; allkeys-* evicts queues as soon as a limit of "
    "memory is set.",
    repair="redis-cli CONFIG SET maxmemory-policy noeviction, and the same line in redis.conf.",
)
NO_LIMIT = define(
    "holdfast.W342",
    title="Redis has no limit of memory",
    leads_to="A backlog can take the memory of the host; the system then kills Redis, or its neighbours.",
    repair="redis-cli CONFIG SET maxmemory 512mb, below the memory of its host or container, with noeviction.",
)
NEARLY_FULL = define(
    "holdfast.W343",
    title="Redis is nearly full",
    leads_to="When it is full it refuses writes: jobs stay in the ledger until there is room.",
    repair="Find what fills it (`redis-cli --bigkeys`, manage.py holdfast queues), or raise maxmemory.",
)
FULL = define(
    "holdfast.E344",
    title="Redis is full and refuses writes",
    leads_to="Nothing is sent: jobs stay in the ledger until there is room, calls of tasks with durable=False fail.",
    repair="Raise maxmemory (redis-cli CONFIG SET maxmemory 1gb), then find what fills it: `redis-cli --bigkeys`.",
)
MEMORY = [EVICTS, COULD_EVICT, NO_LIMIT, NEARLY_FULL, FULL]

NOT_PERSISTED = define(
    "holdfast.W345",
    title="Redis writes nothing to disk",
    leads_to="After a restart it is empty. Durable jobs are published again from the ledger; messages of tasks with "
    "durable=False, and results kept in Redis, are gone.",
    repair="redis-cli CONFIG SET appendonly yes, the same line in redis.conf, and a volume for its folder.",
)
SAVE_FAILS = define(
    "holdfast.E346",
    title="Redis cannot write its data to disk",
    leads_to="It refuses writes (MISCONF) until it can, and what it holds is gone when it restarts.",
    repair="Make room on its disk, or give it the right to write to its folder (redis-cli CONFIG GET dir); then "
    "redis-cli BGSAVE.",
)
DISK = [NOT_PERSISTED, SAVE_FAILS]

IDLE_TIMEOUT = define(
    "holdfast.W347",
    title="Redis closes connections that are idle",
    leads_to='The next use of such a connection fails: "Connection to broker lost", now and then, under low load.',
    repair="redis-cli CONFIG SET timeout 0, and the same line in redis.conf.",
)
NO_KEEPALIVE = define(
    "holdfast.W348",
    title="Redis does not ask whether its clients are still there",
    leads_to="Connections of hosts that are gone stay open until maxclients is reached, and firewalls drop idle ones.",
    repair="redis-cli CONFIG SET tcp-keepalive 300, and the same line in redis.conf.",
)
MANY_CLIENTS = define(
    "holdfast.W354",
    title="Redis has nearly as many clients as it lets in",
    leads_to="The next ones are refused: workers cannot connect anew.",
    repair="Find who leaves connections open (redis-cli CLIENT LIST), lower CELERY_BROKER_POOL_LIMIT, or raise "
    "maxclients.",
)
CONNECTIONS = [IDLE_TIMEOUT, NO_KEEPALIVE, MANY_CLIENTS]

OLD_SERVER = define(
    "holdfast.E349",
    title="The Redis server is too old",
    leads_to="Holdfast is tested on Redis 6.2 and later; the commands of its workers may not be there.",
    repair="Upgrade to Redis 6.2, Valkey, or later.",
)
CONFIGURATION_HIDDEN = define(
    "holdfast.I355",
    title="Redis does not show its configuration",
    leads_to="What only the configuration tells is not looked at: idle timeout, keepalive, snapshots.",
    repair="Look at them in your host's console: timeout 0, noeviction, persistence on.",
)
REPLICA = define(
    "holdfast.E356",
    title="The broker is a replica, which refuses writes",
    leads_to="Nothing is sent, and workers can fetch nothing: jobs stay in the ledger.",
    repair="Name its master in CELERY_BROKER_URL, or the Sentinels.",
)

SHARED_WITH_CACHE = define(
    "holdfast.W350",
    title="The cache is in the broker's database",
    leads_to="cache.clear() flushes it, with every queue in it; and what the cache evicts may be a queue.",
    repair="Give the cache a Redis of its own, or at least another database: CACHES LOCATION .../2.",
)
SHARED_WITH_RESULTS = define(
    "holdfast.I357",
    title="Results are kept in the broker's database",
    leads_to="A flush of one is a flush of both, and results count against the memory of the queues.",
    repair="Put them into another database: CELERY_RESULT_BACKEND = .../1.",
)
PUBLIC = define(
    "holdfast.E351",
    title="Redis is on a public address without a password",
    leads_to="Whoever finds it can read and delete every message, and run commands on its host.",
    repair="Close its port to the world now; then set requirepass, and put the password into CELERY_BROKER_URL.",
)
NO_PASSWORD = define(
    "holdfast.W352",
    title="Redis asks for no password",
    leads_to="Whoever is on its network can read and delete messages.",
    repair="Set requirepass, and put the password into CELERY_BROKER_URL from a variable of the environment.",
)
SLOW = define(
    "holdfast.W353",
    title="The broker is slow to answer",
    leads_to="Each call waits so long for its ticket to be sent, and each fetch of a worker as well.",
    repair="Put the broker near its clients; if it is near, look for slow commands (redis-cli SLOWLOG GET) and for a "
    "host without processor time.",
)
