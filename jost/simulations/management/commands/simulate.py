"""`manage.py simulate`: the same answer through jobs or, with --inline, in this process alone."""

import json
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from jost.simulations import lifecycle
from jost.simulations.engine import ENGINE_VERSION, RulesError, Tally, warm_up
from jost.simulations.inline import count_inline
from jost.simulations.models import Simulation
from jost.simulations.numbers import parse_rounds, parse_seed, parse_target
from jost.simulations.progress import progress_of
from jost.simulations.report import answer
from jost.simulations.schemas import NAMES, schema_of
from jost.simulations.setup import Setup
from jost.simulations.shorthand import add_counting_arguments, add_rules_arguments, setup_of
from jost.simulations.told import Told, printed

# Between two looks at the database; an answer is never later than this.
LOOK_SECONDS = 0.2
ROUNDS = 10_000_000
# With a target the rounds are only where it gives up.
MOST_ROUNDS_TO_TARGET = 10_000_000_000


class Command(BaseCommand):
    help = (
        "Simulate blackjack and print the value of a round. --json prints one JSON object, "
        "--schema says what is in it."
    )

    # Its own options are checked; the remarks of the system checks would bury its progress.
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--rounds", help="such as 1e8 (default 1e7; with --target 1e10)")
        parser.add_argument("--seed", help="random if left out")
        parser.add_argument(
            "--target",
            metavar="HALF_WIDTH",
            help="stop once the 95 %% interval reaches no further to either side: 0.0001 or 0.01%%",
        )
        parser.add_argument(
            "--inline", action="store_true", help="count here, without broker, worker or database"
        )
        parser.add_argument(
            "--workers", type=int, metavar="N", help="threads of --inline; all cores if left out"
        )
        parser.add_argument("--name", default="", help="what the pages call it")
        parser.add_argument("--json", action="store_true", help="print one JSON object")
        parser.add_argument(
            "--schema",
            nargs="?",
            const="simulate",
            metavar="NAME",
            help="print the JSON schema of the answer, or with --schema rules of a rules file",
        )
        add_rules_arguments(parser)
        add_counting_arguments(parser)

    def handle(self, **options: Any) -> None:
        if options["schema"] is not None:
            self._print_schema(options["schema"])
            return
        try:
            asked = _asked(options)
            setup = setup_of(options)
        except ValueError as reason:
            raise CommandError(_said(reason)) from None
        count = self._inline if options["inline"] else self._through_jobs
        result = count(setup, **asked)
        self.stdout.write(json.dumps(result) if options["json"] else printed(setup, result))

    def _print_schema(self, name: str) -> None:
        if name not in NAMES:
            raise CommandError(f"There is no schema {name}: take one of {', '.join(NAMES)}.")
        self.stdout.write(json.dumps(schema_of(name), indent=2))

    def _through_jobs(
        self, setup: Setup, *, rounds: int, seed: int | None, target: float | None, **rest: Any
    ) -> dict[str, Any]:
        simulation = lifecycle.start(
            setup, rounds=rounds, seed=seed, target=target, name=rest["name"]
        )
        told = Told(self.stderr, rounds=rounds, target=target)
        told.line(f"Simulation {simulation.id}: {rounds:,} rounds of {setup}")
        try:
            tally = self._wait_for(simulation, told=told)
        except KeyboardInterrupt:
            address = simulation.get_absolute_url()
            raise CommandError(f"Not waiting any more. It goes on; see {address}") from None
        return answer(
            simulation.setup,
            tally,
            seed=simulation.seed,
            engine_version=simulation.engine_version,
            target=target,
        )

    def _wait_for(self, simulation: Simulation, *, told: Told) -> Tally:
        while True:
            simulation.refresh_from_db()
            progress = progress_of(simulation)
            told.progress(progress.tally, rounds_per_second=progress.rounds_per_second)
            if not simulation.is_active:
                break
            time.sleep(LOOK_SECONDS)
        told.end()
        if simulation.state != Simulation.State.SUCCEEDED or simulation.tally is None:
            state, address = simulation.state, simulation.get_absolute_url()
            raise CommandError(
                f"The simulation is {state}; see {address} {simulation.reason}".strip()
            )
        return Tally.from_dict(simulation.tally)

    def _inline(
        self, setup: Setup, *, rounds: int, seed: int | None, target: float | None, **rest: Any
    ) -> dict[str, Any]:
        seed = lifecycle.new_seed() if seed is None else seed
        # First, or the time to compile would be told as a slow engine.
        warm_up()
        told = Told(self.stderr, rounds=rounds, target=target)
        try:
            tally = count_inline(
                setup.game,
                rounds=rounds,
                seed=seed,
                target=target,
                threads=rest["threads"],
                seen=told.progress,
            )
        except KeyboardInterrupt:
            raise CommandError("Interrupted; nothing goes on and nothing was kept.") from None
        told.end()
        return answer(setup, tally, seed=seed, engine_version=ENGINE_VERSION, target=target)


def _asked(options: dict[str, Any]) -> dict[str, Any]:
    target = parse_target(options["target"]) if options["target"] is not None else None
    rounds = ROUNDS if target is None else MOST_ROUNDS_TO_TARGET
    if options["rounds"] is not None:
        rounds = parse_rounds(str(options["rounds"]))
    threads = options["workers"]
    if threads is not None and threads < 1:
        raise ValueError("--workers must be at least 1; leave it out to use all cores.")
    return {
        "rounds": rounds,
        "seed": parse_seed(str(options["seed"])) if options["seed"] is not None else None,
        "target": target,
        "threads": threads,
        "name": options["name"],
    }


def _said(reason: ValueError) -> str:
    """The message begins with the key, or it is put before."""
    message = str(reason)
    if isinstance(reason, RulesError) and reason.field not in message:
        return f"{reason.field}: {message}"
    return message
