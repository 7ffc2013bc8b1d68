"""Two sets of Celery's connection settings, a reason beside each value; every JOST process uses one of them.

`stable` is the default. `conservative` opens a connection per use and stores no results: what one
does first when connections keep dropping and nobody knows why yet.
"""

from __future__ import annotations

from typing import Any, Literal

from jost.settings.environment import Environment

Name = Literal["stable", "conservative"]

# Both ask TCP and Redis whether the other side is alive: without it, a connection that a firewall
# or a load balancer forgot is found out only when a job needs it.
_ALIVE: dict[str, Any] = {
    "socket_keepalive": True,
    "health_check_interval": 30,
}

_STABLE: dict[str, Any] = {
    # Ten open connections per process: none is opened per message. A stale one is found by the health
    # check, and a lost message is published again from the ledger.
    "broker_pool_limit": 10,
    # Web, worker and Redis may start in any order.
    "broker_connection_retry_on_startup": True,
    "broker_connection_retry": True,
    # For ever: a worker that gives up is an outage of its own. None says so; kombu 5.7 takes 0 for
    # "give up at the first refusal", and the worker ends.
    "broker_connection_max_retries": None,
    # A producer must not hang: a Redis that does not answer the telephone in 5 s will not.
    "broker_connection_timeout": 5,
    "broker_transport_options": {
        "socket_connect_timeout": 5,
        # For producers. Workers wait longer, see WORKER_TRANSPORT.
        "socket_timeout": 5,
        **_ALIVE,
        # visibility_timeout is left alone: it is the time a *task* may take, not a connection's,
        # and recovery from the ledger does not depend on it.
    },
    # The same for a result backend of tasks with durable=False, if one is configured.
    "redis_socket_connect_timeout": 5,
    "redis_socket_timeout": 5,
    "redis_socket_keepalive": True,
    "redis_backend_health_check_interval": 30,
    # Results are history people ask for: one day of it.
    "result_expires": 86_400,
}

_CONSERVATIVE: dict[str, Any] = {
    # No result backend, no results: half of the network traffic that can fail.
    "result_backend": None,
    "task_ignore_result": True,
    # A fresh connection for every operation: none can be stale.
    "broker_pool_limit": 0,
    "broker_connection_retry_on_startup": True,
    "broker_connection_retry": True,
    "broker_connection_max_retries": None,
    # Generous in both directions: slow is not taken for broken.
    "broker_connection_timeout": 30,
    "broker_transport_options": {
        "socket_timeout": 30,
        "socket_connect_timeout": 30,
        **_ALIVE,
        # visibility_timeout is a task's time: raising it mends no connection.
    },
    # In force when somebody turns a result backend on again.
    "redis_socket_connect_timeout": 30,
    "redis_socket_timeout": 30,
    "redis_socket_keepalive": True,
    "redis_backend_health_check_interval": 30,
    "result_expires": 86_400,
}

_PROFILES: dict[Name, dict[str, Any]] = {"stable": _STABLE, "conservative": _CONSERVATIVE}

# A worker blocks in Redis on purpose, waiting for messages: it reads more patiently than a producer.
WORKER_TRANSPORT: dict[str, Any] = {"socket_timeout": 30}

# In both profiles: what a job may cost, and who takes over when a process fails.
WORK: dict[str, Any] = {
    # JSON only: a message can carry data, never code.
    "accept_content": ["json"],
    "task_serializer": "json",
    "result_serializer": "json",
    "timezone": "UTC",
    "enable_utc": True,
    # The state STARTED is shown: "queued" and "running" are different answers to "where is my job?".
    "task_track_started": True,
    # A job that hangs must end: softly, then for good. Longer ones say so on the task.
    "task_soft_time_limit": 1_500,
    "task_time_limit": 1_800,
    # The next three serve tasks with durable=False only: for durable jobs the ledger gives back
    # what a lost worker held.
    "task_acks_late": True,
    "task_reject_on_worker_lost": True,
    "worker_prefetch_multiplier": 1,
    # A running job goes on while the broker is away: it needs it for nothing.
    "worker_cancel_long_running_tasks_on_connection_loss": False,
    # A child is replaced after so many jobs, or above so much memory (KiB): leaks stay small.
    "worker_max_tasks_per_child": 1_000,
    "worker_max_memory_per_child": 512_000,
    # Remote control obeys whoever can write to Redis: off, unless it is asked for. Cancelling goes through the ledger.
    "worker_enable_remote_control": False,
    # Without this, Celery's Django support closes every database connection around every task.
    "db_reuse_max": 1_000_000,
}


# What the environment may say in particular: variable -> Celery setting.
_VARIABLES = {
    "CELERY_RESULT_BACKEND": "result_backend",
    "CELERY_TASK_RESULT_EXPIRES": "result_expires",
    "CELERY_BROKER_POOL_LIMIT": "broker_pool_limit",
    "CELERY_BROKER_CONNECTION_TIMEOUT": "broker_connection_timeout",
    "CELERY_BROKER_HEARTBEAT": "broker_heartbeat",
    "CELERY_WORKER_ENABLE_REMOTE_CONTROL": "worker_enable_remote_control",
}
# The point of the conservative profile: no variable that happens to be set undoes these.
_FIXED: dict[Name, frozenset[str]] = {
    "stable": frozenset(),
    "conservative": frozenset({"result_backend", "broker_pool_limit"}),
}


def celery_settings(environment: Environment) -> dict[str, Any]:
    """Return Celery's settings as Django settings: the profile, then what single variables say."""
    profile = environment.JOST_PROFILE
    chosen = WORK | _PROFILES[profile]
    for variable, name in _VARIABLES.items():
        if environment.is_given(variable) and name not in _FIXED[profile]:
            chosen[name] = getattr(environment, variable)
    if environment.is_given("CELERY_BROKER_CONNECTION_TIMEOUT"):
        # Redis does not look at Celery's own setting, only at the transport's.
        timeout = {"socket_connect_timeout": environment.CELERY_BROKER_CONNECTION_TIMEOUT}
        chosen["broker_transport_options"] = chosen["broker_transport_options"] | timeout
    if environment.CELERY_BROKER_MASTER_NAME:
        master = {"master_name": environment.CELERY_BROKER_MASTER_NAME}
        chosen["broker_transport_options"] = chosen["broker_transport_options"] | master
    _set_retries(chosen, environment)
    return {f"CELERY_{name.upper()}": value for name, value in chosen.items()}


def _set_retries(chosen: dict[str, Any], environment: Environment) -> None:
    """Translate the variable: 0 is for ever (None to Celery), "None" is Celery's own default (no setting)."""
    if not environment.is_given("CELERY_BROKER_CONNECTION_MAX_RETRIES"):
        return
    if environment.CELERY_BROKER_CONNECTION_MAX_RETRIES is None:
        del chosen["broker_connection_max_retries"]
        return
    chosen["broker_connection_max_retries"] = (
        environment.CELERY_BROKER_CONNECTION_MAX_RETRIES or None
    )
