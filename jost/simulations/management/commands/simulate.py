"""`manage.py simulate`: the same answer through jobs or, with --inline, in this process alone."""

import json
import time
from dataclasses import dataclass
from typing import Any, Self

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError, ProgrammingError

from jost.simulations import lifecycle
from jost.simulations.engine import ENGINE_VERSION, Tally, warm_up
from jost.simulations.inline import count_inline
from jost.simulations.models import Simulation
from jost.simulations.numbers import parse_rounds, parse_seed, parse_target
from jost.simulations.progress import progress_of
from jost.simulations.report import answer, exact_of
from jost.simulations.schemas import NAMES, schema_of
from jost.simulations.setup import Setup
from jost.simulations.shorthand import add_counting_arguments, add_rules_arguments, said, setup_of
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
            "--exact",
            action="store_true",
            help="set the exact value beside it in --json too, which takes a second or two",
        )
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
            asked = Asked.of(options)
            setup = setup_of(options)
        except ValueError as reason:
            raise CommandError(said(reason)) from None
        count = self._inline if options["inline"] else self._through_jobs
        tally, seed = count(setup, asked)
        # People are shown the exact value beside it; it takes a second or two.
        beside = options["exact"] or not options["json"]
        result = answer(
            setup,
            tally,
            seed=seed,
            engine_version=ENGINE_VERSION,
            target=asked.target,
            exact=exact_of(setup) if beside else None,
        )
        self.stdout.write(json.dumps(result) if options["json"] else printed(setup, result))

    def _print_schema(self, name: str) -> None:
        if name not in NAMES:
            raise CommandError(f"There is no schema {name}: take one of {', '.join(NAMES)}.")
        self.stdout.write(json.dumps(schema_of(name), indent=2))

    def _through_jobs(self, setup: Setup, asked: "Asked") -> tuple[Tally, int]:
        simulation = _start(setup, asked)
        told = Told(self.stderr, rounds=asked.rounds, target=asked.target)
        told.line(f"Simulation {simulation.id}: {asked.rounds:,} rounds of {setup}")
        try:
            return self._wait_for(simulation, told=told), simulation.seed
        except KeyboardInterrupt:
            address = simulation.get_absolute_url()
            raise CommandError(f"Not waiting any more. It goes on; see {address}") from None

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

    def _inline(self, setup: Setup, asked: "Asked") -> tuple[Tally, int]:
        seed = lifecycle.new_seed() if asked.seed is None else asked.seed
        try:
            # First, or the time to compile would be told as a slow engine.
            warm_up()
            told = Told(self.stderr, rounds=asked.rounds, target=asked.target)
            tally = count_inline(
                setup.game,
                rounds=asked.rounds,
                seed=seed,
                target=asked.target,
                threads=asked.threads,
                seen=told.progress,
            )
        except KeyboardInterrupt:
            raise CommandError("Interrupted; nothing goes on and nothing was kept.") from None
        told.end()
        return tally, seed


def _start(setup: Setup, asked: "Asked") -> Simulation:
    try:
        return lifecycle.start(
            setup, rounds=asked.rounds, seed=asked.seed, target=asked.target, name=asked.name
        )
    except (OperationalError, ProgrammingError) as reason:
        raise CommandError(
            f"The database refuses a simulation ({str(reason).strip()}). `make up` sets one up and "
            "starts workers, `manage.py migrate` makes its tables, --inline needs none."
        ) from reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """How much to count, and how; what is counted is the setup's."""

    rounds: int
    seed: int | None
    target: float | None
    threads: int | None
    name: str

    @classmethod
    def of(cls, options: dict[str, Any]) -> Self:
        """Read the options; ValueError says the repair."""
        given = options["target"]
        target = None if given is None else parse_target(str(given))
        rounds, seed = options["rounds"], options["seed"]
        if rounds is None:
            rounds = ROUNDS if target is None else MOST_ROUNDS_TO_TARGET
        threads = options["workers"]
        if threads is not None and threads < 1:
            raise ValueError("--workers must be at least 1; leave it out to use all cores.")
        return cls(
            rounds=parse_rounds(str(rounds)),
            seed=None if seed is None else parse_seed(str(seed)),
            target=target,
            threads=threads,
            name=options["name"],
        )
