"""What is said of how this project's connections to the broker are set."""

from __future__ import annotations

from holdfast.doctor.findings import define

NO_TIMEOUT = define(
    "holdfast.W360",
    title="A connection to the broker waits for ever",
    leads_to="A call or a worker whose network goes without a word hangs until somebody restarts it.",
    repair="Remove the option from CELERY_BROKER_TRANSPORT_OPTIONS: Holdfast's own is 5 seconds.",
)
NO_KEEPALIVE = define(
    "holdfast.W361",
    title="TCP keepalive is off for the broker's connections",
    leads_to="A firewall or load balancer forgets an idle connection, and its next use fails.",
    repair='Remove "socket_keepalive" from CELERY_BROKER_TRANSPORT_OPTIONS, or set it to True.',
)
NO_HEALTH_CHECK = define(
    "holdfast.W362",
    title="Connections to the broker are not checked before their use",
    leads_to="One that has gone stale while it was idle fails the call that takes it.",
    repair='Remove "health_check_interval" from CELERY_BROKER_TRANSPORT_OPTIONS, or set it to 30.',
)
NO_RETRY = define(
    "holdfast.W363",
    title="A command that Redis answers late is not asked again",
    leads_to="One slow moment of Redis fails a call of a task with durable=False, or ends a worker's connection.",
    repair='Remove "retry_on_timeout" from CELERY_BROKER_TRANSPORT_OPTIONS, or set it to True.',
)
SOCKETS = [NO_TIMEOUT, NO_KEEPALIVE, NO_HEALTH_CHECK, NO_RETRY]

NOT_AT_START = define(
    "holdfast.W364",
    title="A worker ends when the broker is not there at its start",
    leads_to="After a reboot, or in Compose, workers that are faster than Redis do not come up.",
    repair="CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True",
)
GIVES_UP_SOON = define(
    "holdfast.W365",
    title="Workers give up on the broker soon",
    leads_to="An outage that is longer than that ends every worker; somebody must start them again.",
    repair="CELERY_BROKER_CONNECTION_MAX_RETRIES = None, which is for ever.",
)
PATIENCE = [NOT_AT_START, GIVES_UP_SOON]

SMALL_POOL = define(
    "holdfast.W366",
    title="There are fewer connections to the broker than threads",
    leads_to="Threads that send at once wait for each other, and time out under load.",
    repair="Set CELERY_BROKER_POOL_LIMIT to the number of threads of a worker.",
)
RESULTS_FOR_EVER = define(
    "holdfast.W367",
    title="Results in Redis are kept for ever",
    leads_to="They fill its memory until it refuses writes, or evicts.",
    repair="CELERY_RESULT_EXPIRES = 86400",
)
RESULTS_NO_TIMEOUT = define(
    "holdfast.W368",
    title="Connections to the results in Redis wait for ever",
    leads_to="A task that stores its result, or a view that waits for one, hangs when the network goes without a word.",
    repair="CELERY_REDIS_SOCKET_TIMEOUT = 30",
)
RESULTS = [RESULTS_FOR_EVER, RESULTS_NO_TIMEOUT]
