"""Whether the broker can be reached from here, and if not, what exactly is in the way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from holdfast.broker.looking import Refusal, refusal_of
from holdfast.broker.places import Place
from holdfast.broker.reaching import Reach, Trouble, masters_known, reach
from holdfast.doctor.findings import Finding
from holdfast.doctor.probes import broker_words as words
from holdfast.doctor.probes.server_words import CONFIGURATION_HIDDEN
from holdfast.doctor.probing import Absent, probe

if TYPE_CHECKING:
    from holdfast.doctor.look import Look


@probe(
    area="broker",
    finds=words.REACH,
    after=["settings", "broker"],
    establishes=["broker"],
    seconds=6.0,
)
def broker_answers(look: Look) -> Iterator[Finding]:
    """Whether each host of the broker's is found, listens, is what it should be, and lets us in."""
    found = [
        (place, reach(place, seconds=look.seconds_left() / 3))
        for place in look.places
        if place.host
    ]
    look.facts["broker.reach"] = {place.address: how.trouble.value for place, how in found}
    look.facts["broker.addresses"] = {place.address: list(how.addresses) for place, how in found}
    look.facts["broker.addresses"] = {place.address: list(how.addresses) for place, how in found}
    away = [(place, how) for place, how in found if how.trouble is not Trouble.NONE]
    if away and len(away) < len(found):
        for place, how in away:
            yield words.ONE_AWAY.seen(
                f"{place.address} of {len(found)} hosts does not answer: {how.trouble.value} ({how.said}).",
                about=place.address,
            )
    elif away:
        for place, how in away:
            yield _told(look, place, how)
        return
    yield from _let_in(look)


@probe(
    area="broker",
    finds=[CONFIGURATION_HIDDEN],
    after=["settings", "broker"],
    establishes=["redis"],
)
def broker_is_redis(look: Look) -> Iterator[Finding]:
    """Whether the broker is a Redis, and says of itself how it is."""
    if not any(place.is_redis for place in look.places):
        raise Absent
    try:
        look.info()
    except Exception as error:
        if refusal_of(error)[0] is not Refusal.NO_PERMISSION:
            raise
        yield CONFIGURATION_HIDDEN.seen(f"INFO is refused: {error}.", about="INFO")
        raise Absent from error


def _told(look: Look, place: Place, how: Reach) -> Finding:
    said = f" ({how.said})" if how.said else ""
    data = {
        "about": place.address,
        "host": place.host,
        "port": place.port,
        "trouble": how.trouble.value,
        "container": look.surroundings.container,
    }
    container = look.surroundings.container
    if (
        how.trouble in {Trouble.REFUSED, Trouble.CLOSED, Trouble.UNREACHABLE}
        and place.is_loopback
        and container
    ):
        return words.LOCALHOST_IN_CONTAINER.seen(
            f"{place.address} does not answer{said}, and this process is in {container} ({look.surroundings.sign}): "
            "there localhost is the container itself.",
            repair=f'Name the service: CELERY_BROKER_URL = "{place.scheme}://redis:{place.port}/{place.database}", '
            "where `redis` is its name in the Compose file or the Kubernetes service. If it is meant to run in this "
            "very container, as in a cloud workspace, start it here.",
            **data,
        )
    if how.trouble is Trouble.NAME:
        return words.UNKNOWN_HOST.seen(
            f"The name {place.host!r} of {place.shown} is not known here{said}.",
            repair=_repair_of_name(place, container),
            **data,
        )
    definition = words.OF_TROUBLE[how.trouble]
    resolved = "" if place.host in how.addresses else f", which is {', '.join(how.addresses)}"
    evidence = (
        f"{place.address}{resolved}: {words.SEEN[how.trouble].format(said=how.said or 'no word')}"
    )
    return definition.seen(evidence, repair=words.repair_of(how.trouble, place), **data)


def _repair_of_name(place: Place, container: str) -> str:
    if "." in place.host:
        return ""
    if container:
        return (
            f"Start a service of the name {place.host!r} on the same network as this container: in Compose both under "
            "the same `networks`, in Kubernetes a Service in the same namespace."
        )
    return (
        f"{place.host!r} looks like the name of a service of Compose or Kubernetes, which is known inside its network "
        f'only. Outside of a container publish its port, and set CELERY_BROKER_URL = "{place.scheme}://127.0.0.1:'
        f'{place.port}/{place.database}".'
    )


def _let_in(look: Look) -> Iterator[Finding]:
    """Go the whole way that calls go: password, database, Sentinels."""
    try:
        if any(place.is_redis for place in look.places):
            # A read, since whoever may say PING may still be kept from the queues.
            look.redis().llen(look.conf.task_default_queue)
        else:
            look.amqp()
    except Exception as error:  # noqa: BLE001  # every client library has its own tree of errors
        refusal, said = refusal_of(error)
    else:
        return
    place = look.places[0]
    more = ""
    if refusal is Refusal.NO_MASTER:
        known = masters_known(place, seconds=look.seconds_left() / 2)
        asked = (look.conf.broker_transport_options or {}).get("master_name")
        more = f" Asked for {asked!r}; it knows {', '.join(known) or 'none'}."
    elif refusal is Refusal.OTHER and place.scheme == "sentinel":
        refusal = Refusal.MASTER_AWAY
    given = " A password is given." if place.password else " The URL has no password."
    if refusal not in {Refusal.NO_PASSWORD, Refusal.WRONG_PASSWORD}:
        given = ""
    yield words.OF_REFUSAL[refusal].seen(
        f"{place.shown}: {said}.{given}{more}".replace("..", "."), about=place.address, said=said
    )
