"""What is said of a broker that cannot be reached or lets nobody in."""

from __future__ import annotations

from holdfast.broker.looking import Refusal
from holdfast.broker.places import Place
from holdfast.broker.reaching import Trouble
from holdfast.doctor.findings import Definition, define
from holdfast.doctor.probes.server_words import SAVE_FAILS

_STAYS = "Calls return and their jobs stay in the ledger; workers fetch nothing until it is mended."

UNKNOWN_HOST = define(
    "holdfast.E310",
    title="The broker's host name is not known",
    leads_to=_STAYS,
    repair="Correct the host in CELERY_BROKER_URL, or the name server that this process asks.",
)
LOCALHOST_IN_CONTAINER = define(
    "holdfast.E311",
    title="The broker is sought at localhost, inside a container",
    leads_to=f"In a container localhost is the container itself, where no broker runs. {_STAYS}",
    repair="Name the service in CELERY_BROKER_URL, as in redis://redis:6379/0.",
)
REFUSED = define(
    "holdfast.E312",
    title="Nobody listens on the broker's port",
    leads_to=_STAYS,
    repair="Start the broker, or correct the port in CELERY_BROKER_URL.",
)
OTHER_SERVICE = define(
    "holdfast.E313",
    title="Something else than the broker answers on its port",
    leads_to=_STAYS,
    repair="Correct the port in CELERY_BROKER_URL: Redis is at 6379 unless it was told otherwise.",
)
NEEDS_TLS = define(
    "holdfast.E314",
    title="The broker speaks TLS, and the URL does not",
    leads_to=_STAYS,
    repair='CELERY_BROKER_URL = "rediss://...?ssl_cert_reqs=required", with two s.',
)
NO_TLS = define(
    "holdfast.E315",
    title="The URL asks for TLS, and the broker does not speak it",
    leads_to=_STAYS,
    repair="Name the broker's TLS port, or write redis:// with one s where the network is your own.",
)
SILENT = define(
    "holdfast.E316",
    title="The broker does not answer",
    leads_to=_STAYS,
    repair="Let this host through the firewall or the security group of the broker; if it was let through, the broker "
    "hangs: look at its processor, its disk and `redis-cli --latency`.",
)
NO_PASSWORD = define(
    "holdfast.E317",
    title="The broker asks for a password, and none is given",
    leads_to=_STAYS,
    repair='CELERY_BROKER_URL = "redis://:password@host:6379/0", from a variable of the environment.',
)
WRONG_PASSWORD = define(
    "holdfast.E318",
    title="The broker refuses user or password",
    leads_to=_STAYS,
    repair="Correct them in CELERY_BROKER_URL; characters like / # @ : in a password are written percent-encoded. "
    "`redis-cli ACL WHOAMI` with the same words must answer.",
)
NO_PERMISSION = define(
    "holdfast.E319",
    title="The broker's user may not do what is needed",
    leads_to=_STAYS,
    repair="ACL SETUSER <user> ~* &* +@all on a Redis of Holdfast's own.",
)
NO_DATABASE = define(
    "holdfast.E320",
    title="The broker does not have the database that the URL names",
    leads_to=_STAYS,
    repair="Take a number from 0 to 15 at the end of CELERY_BROKER_URL, or raise `databases` of the server; hosts that "
    "share one Redis often allow 0 alone. For RabbitMQ create the virtual host.",
)
UNKNOWN_CA = define(
    "holdfast.E321",
    title="Nobody known here has signed the broker's certificate",
    leads_to=_STAYS,
    repair="Add &ssl_ca_certs=/path/to/ca.pem to the URL: the file of whoever signed it.",
)
WRONG_NAME = define(
    "holdfast.E322",
    title="The broker's certificate is for another name",
    leads_to=_STAYS,
    repair="Use the name that the certificate has as host in CELERY_BROKER_URL.",
)
EXPIRED = define(
    "holdfast.E323",
    title="The broker's certificate is out of date",
    leads_to=_STAYS,
    repair="Renew the certificate on the broker; if it is new, correct the clock of this host.",
)
HANDSHAKE = define(
    "holdfast.E324",
    title="The TLS handshake with the broker fails",
    leads_to=_STAYS,
    repair="If the broker wants a certificate of the client's: &ssl_certfile=...&ssl_keyfile=... in the URL.",
)
NO_MASTER = define(
    "holdfast.E325",
    title="The Sentinels know no master of that name",
    leads_to=_STAYS,
    repair="Set master_name in CELERY_BROKER_TRANSPORT_OPTIONS to the name in `sentinel monitor <name> ...`; if it is "
    "right, its master is down and no other was chosen: look at `redis-cli -p 26379 SENTINEL MASTERS`.",
)
MASTER_AWAY = define(
    "holdfast.E326",
    title="The master that the Sentinels name cannot be used from here",
    leads_to=_STAYS,
    repair="Make its address reachable from here: set `replica-announce-ip` and `sentinel announce-ip` where the "
    "servers are in a network of their own.",
)
LOADING = define(
    "holdfast.E327",
    title="The broker is loading its data",
    leads_to="Calls are held in the ledger until it is ready; then all goes on by itself.",
    repair="Wait. If it happens often, find out why Redis restarts: its log, and the memory limit of its container.",
)
FULL = define(
    "holdfast.E328",
    title="The broker lets in no more clients",
    leads_to=_STAYS,
    repair="Raise `maxclients`, or find who leaves connections open: `redis-cli CLIENT LIST`.",
)
CLOSED = define(
    "holdfast.E329",
    title="The broker's port accepts connections and closes them",
    leads_to=_STAYS,
    repair="A proxy or port forwarding without a broker behind it does this: start the broker, or correct the port.",
)
UNREACHABLE = define(
    "holdfast.E330",
    title="There is no way to the broker's host",
    leads_to=_STAYS,
    repair="Put both on one network, or correct the host in CELERY_BROKER_URL.",
)
CLUSTER = define(
    "holdfast.E331",
    title="The broker is a Redis Cluster",
    leads_to="A worker waits on several lists at once, which a cluster refuses.",
    repair="Use a Redis with cluster mode disabled; a replica and Sentinels make it available.",
)
PROTECTED = define(
    "holdfast.E332",
    title="Redis lets in its own host only",
    leads_to=_STAYS,
    repair="Give it a password (requirepass) and put it into CELERY_BROKER_URL; that ends its protected mode.",
)
REFUSED_OTHERWISE = define(
    "holdfast.E333",
    title="The broker refuses for a reason that the doctor does not know",
    leads_to=_STAYS,
    repair="Read what it says, and its log.",
)
ONE_AWAY = define(
    "holdfast.W334",
    title="One of several hosts of the broker does not answer",
    leads_to="The others carry on. If the next one goes, so does the broker, or the Sentinels have no majority.",
    repair="Start it again, or remove it from CELERY_BROKER_URL.",
)

OF_TROUBLE = {
    Trouble.NAME: UNKNOWN_HOST,
    Trouble.REFUSED: REFUSED,
    Trouble.UNREACHABLE: UNREACHABLE,
    Trouble.SILENT: SILENT,
    Trouble.CLOSED: CLOSED,
    Trouble.OTHER_SERVICE: OTHER_SERVICE,
    Trouble.NEEDS_TLS: NEEDS_TLS,
    Trouble.NO_TLS: NO_TLS,
    Trouble.UNKNOWN_CA: UNKNOWN_CA,
    Trouble.WRONG_NAME: WRONG_NAME,
    Trouble.EXPIRED: EXPIRED,
    Trouble.HANDSHAKE: HANDSHAKE,
    Trouble.FULL: FULL,
    Trouble.LOADING: LOADING,
    Trouble.PROTECTED: PROTECTED,
}
SEEN = {
    Trouble.REFUSED: "the connection is refused ({said}).",
    Trouble.UNREACHABLE: "{said}.",
    Trouble.SILENT: "no answer in time ({said}).",
    Trouble.CLOSED: "the connection is closed at once ({said}).",
    Trouble.OTHER_SERVICE: "what answers there is {said}.",
    Trouble.NEEDS_TLS: "a plain question gets no answer, a TLS handshake does.",
    Trouble.NO_TLS: "no TLS handshake ({said}).",
    Trouble.UNKNOWN_CA: "{said}.",
    Trouble.WRONG_NAME: "{said}",
    Trouble.EXPIRED: "{said}.",
    Trouble.HANDSHAKE: "{said}.",
    Trouble.FULL: "{said}",
    Trouble.LOADING: "{said}",
    Trouble.PROTECTED: "{said}",
}
OF_REFUSAL = {
    Refusal.NO_PASSWORD: NO_PASSWORD,
    Refusal.WRONG_PASSWORD: WRONG_PASSWORD,
    Refusal.NO_PERMISSION: NO_PERMISSION,
    Refusal.NO_DATABASE: NO_DATABASE,
    Refusal.CLUSTER: CLUSTER,
    Refusal.LOADING: LOADING,
    Refusal.FULL: FULL,
    Refusal.CANNOT_SAVE: SAVE_FAILS,
    Refusal.NO_MASTER: NO_MASTER,
    Refusal.MASTER_AWAY: MASTER_AWAY,
    Refusal.SILENT: SILENT,
    Refusal.OTHER: REFUSED_OTHERWISE,
}
REACH: tuple[Definition, ...] = (
    ONE_AWAY,
    LOCALHOST_IN_CONTAINER,
    *{one.id: one for one in (*OF_TROUBLE.values(), *OF_REFUSAL.values())}.values(),
)


def repair_of(trouble: Trouble, place: Place) -> str:
    """Return the repair with the names of this place, where there is more to say than in general."""
    if trouble is Trouble.REFUSED:
        start = "`redis-server`" if place.is_redis else "it"
        return (
            f"Start the broker on {place.address} ({start}, `docker compose up redis`), or correct host and port in "
            f"CELERY_BROKER_URL: `nc -vz {place.host} {place.port}` must connect."
        )
    if trouble is Trouble.NEEDS_TLS:
        url = f"rediss://...@{place.address}/{place.database}?ssl_cert_reqs=required"
        return f'CELERY_BROKER_URL = "{url}", with two s.'
    return ""
