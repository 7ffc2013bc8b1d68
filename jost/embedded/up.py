"""`make up`: starts all of JOST on this machine, says when it is ready, and ends it without a trace."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import sys
from importlib.util import find_spec
from pathlib import Path

import django
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db import Error, connections

from holdfast.testing.services import ServiceError
from jost.embedded import programs, state
from jost.embedded.console import Console
from jost.embedded.run import CannotStart, Plan, Run
from jost.embedded.supervisor import Program
from jost.settings import environment, stores

# Enough to look at; adding them takes half a second.
FEW_SALES = 20_000
DEMO_LOCK_SECONDS = "15"


def main() -> int:
    """Run until interrupted; return the exit code."""
    # Only for development: whatever else the shell has chosen is for deployments.
    os.environ["DJANGO_SETTINGS_MODULE"] = "jost.settings.development"
    try:
        folder = data_folder()
        with state.held(folder) as held:
            if not held:
                raise CannotStart(_already_running(folder))
            plan = make_plan(folder)
            migrate()
            call_command("seed_shop", verbosity=0)
            call_command("seed_sales", rows=FEW_SALES, verbosity=0)
            asyncio.run(run(plan))
            return 0
    except (CannotStart, ImproperlyConfigured, ServiceError) as error:
        print(f"\nJOST cannot start. {error}\n", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def data_folder() -> Path:
    """Return the folder of everything embedded, without deciding any other setting yet."""
    given = environment.read().JOST_DATA_DIR
    return given.resolve() if given else Path(__file__).resolve().parents[2] / "var"


def make_plan(folder: Path) -> Plan:
    """Decide ports, then let the settings see them, then list the programs."""
    port = page_port()
    redis_port = None
    if stores.broker_url(environment.read()) is None:
        redis_port = free_kept_port(folder, state.REDIS)
    gateways_port = None
    if environment.read().JOST_GATEWAYS_URL is None:
        gateways_port = free_kept_port(folder, state.GATEWAYS)
    os.environ["JOST_DATA_DIR"] = str(folder)
    os.environ["JOST_RUN"] = run = secrets.token_hex(8)
    demo = bool(os.environ.get("JOST_DEMO"))
    if demo:
        # The shortest lease there is sense in: whoever watches sees a killed worker made up for.
        os.environ.setdefault("TASK_LOCK_TIMEOUT", DEMO_LOCK_SECONDS)

    django.setup()
    redis = None
    if redis_port is not None:
        redis = programs.redis_program(port=redis_port, folder=folder / "redis")
    return Plan(
        port=port,
        folder=folder,
        run=run,
        redis=redis,
        redis_port=redis_port,
        programs=[
            *_embedded_gateways(gateways_port, folder=folder),
            *programs.jost_programs(
                port=port, log_level=settings.LOG_LEVEL, debug_ports=debug_ports()
            ),
        ],
        afterwards=programs.demo_programs(page=f"http://127.0.0.1:{port}") if demo else [],
    )


def debug_ports() -> tuple[int, int] | None:
    """Return where web and worker listen for a debugger, if DEBUG_WORKER asks for it: 5678 and 5679."""
    asked = os.environ.get("DEBUG_WORKER", "").lower()
    if asked in {"", "0", "no", "false"}:
        return None
    if find_spec("debugpy") is None:
        raise CannotStart("DEBUG_WORKER needs debugpy: make up DEBUG_WORKER=1 installs it.")
    given = os.environ.get("DEBUG_PORTS") or "5678,5679"
    web, _, worker = given.partition(",")
    for number in (web, worker):
        if not number.isdecimal() or not 0 < int(number) < 65536:
            raise CannotStart(f"DEBUG_PORTS is {given!r}: it must be two ports, like 5678,5679.")
        if not _is_free(int(number)):
            raise CannotStart(
                f"Port {number}, where a debugger is to attach, is taken: end what has it, or give two others: "
                "make up DEBUG_WORKER=1 DEBUG_PORTS=5688,5689"
            )
    return int(web), int(worker)


def page_port() -> int:
    """Return the port of the page, if it is a number and free."""
    given = os.environ.get("PORT") or "8000"
    if not given.isdecimal() or not 0 < int(given) < 65536:
        raise CannotStart(f"PORT is {given!r}: it must be a number from 1 to 65535.")
    if not _is_free(int(given)):
        raise CannotStart(
            f"Port {given} is busy: another program listens on it. "
            f"End that program, or choose another port: make up PORT={int(given) % 65535 + 1}"
        )
    return int(given)


def free_kept_port(folder: Path, name: str) -> int:
    """Return the port kept for an embedded server, or a new one if somebody took it."""
    port = state.kept_port(folder, name)
    return port if _is_free(port) else state.choose_another_port(folder, name)


def _embedded_gateways(port: int | None, *, folder: Path) -> list[Program]:
    return [] if port is None else [programs.gateways_program(port=port, folder=folder)]


def migrate() -> None:
    """Bring the database to the present schema."""
    try:
        call_command("migrate", interactive=False, verbosity=0)
    except Error as error:
        raise CannotStart(
            f"The database refused: {error}. Check DATABASE_URL or POSTGRES_*, or unset them for the "
            "embedded database."
        ) from error
    finally:
        connections.close_all()


async def run(plan: Plan) -> None:
    """Run the plan on this terminal until interrupted."""
    console = Console()
    try:
        await Run(plan, console).until_interrupted()
    finally:
        console.close()


def _already_running(folder: Path) -> str:
    running = state.running(folder)
    where = (
        f"It already runs at {running.page} (pid {running.pid})" if running else "It already runs"
    )
    return (
        f"{where} with the data in {folder}: stop that one first (Ctrl-C), or give this one a folder "
        "of its own: JOST_DATA_DIR=/some/folder make up PORT=8001"
    )


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do: a port that only remembers closed connections is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


if __name__ == "__main__":
    sys.exit(main())
