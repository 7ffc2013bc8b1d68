"""Real services for tests, one import away: Redis, PostgreSQL, and a network that breaks; runs in test processes.

Everything listens on loopback only, keeps its data in the directory it is given, and is killed by
the system when the thread that started it ends.
"""

from holdfast.testing.child import ServiceError, die_with
from holdfast.testing.ports import free_port
from holdfast.testing.postgres_server import PostgresServer, find_postgres_binaries
from holdfast.testing.rabbit_server import RabbitServer, find_rabbitmq
from holdfast.testing.redis_server import (
    Login,
    RedisServer,
    find_redis_server,
    redis_answers,
    redis_arguments,
)
from holdfast.testing.sentinel_group import SentinelGroup
from holdfast.testing.tcp_proxy import Mode, TcpProxy

__all__ = [
    "Login",
    "Mode",
    "PostgresServer",
    "RabbitServer",
    "RedisServer",
    "SentinelGroup",
    "ServiceError",
    "TcpProxy",
    "die_with",
    "find_postgres_binaries",
    "find_rabbitmq",
    "find_redis_server",
    "free_port",
    "redis_answers",
    "redis_arguments",
]
