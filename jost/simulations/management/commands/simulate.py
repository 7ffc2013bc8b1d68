"""`manage.py simulate`: the same answer through jobs or, with --inline, in this process alone."""

import json
import os
import sys
import time
from argparse import ArgumentTypeError
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from jost.simulations import lifecycle
from jost.simulations.engine import Plan, Rules, RulesError, Tally, count_chunk, warm_up
from jost.simulations.models import Simulation
from jost.simulations.numbers import parse_rounds, parse_seed
from jost.simulations.progress import Progress, progress_of, report

# Between two looks at the database; an answer is never later than this.
LOOK_SECONDS = 0.2


def _argument(parse: Callable[[str], int]) -> Callable[[str], int]:
    """Let argparse show the message of `parse` instead of one of its own."""

    def parsed(text: str) -> int:
        try:
            return parse(text)
        except ValueError as reason:
            raise ArgumentTypeError(str(reason)) from None

    return parsed


class Command(BaseCommand):
    help = "Simulate blackjack and print the value of a round; --json prints one JSON object."

    # Its own options are checked; the remarks of the system checks would bury its progress.
    requires_system_checks = ()
    tenth = 0

    def add_arguments(self, parser: CommandParser) -> None:
        defaults = Rules()
        parser.add_argument("--decks", type=int, default=defaults.decks)
        parser.add_argument("--h17", action="store_true", help="the dealer hits soft 17")
        parser.add_argument("--no-das", action="store_true", help="no double after a split")
        parser.add_argument("--surrender", action="store_true", help="late surrender")
        parser.add_argument("--penetration", type=float, default=defaults.penetration)
        parser.add_argument("--max-hands", type=int, default=defaults.max_hands)
        parser.add_argument(
            "--rounds-per-shoe", type=int, help="shuffle after so many rounds; 1 is a fresh shoe"
        )
        parser.add_argument("--rounds", type=_argument(parse_rounds), default=10_000_000)
        parser.add_argument("--seed", type=_argument(parse_seed), help="random if left out")
        parser.add_argument(
            "--inline", action="store_true", help="count here, without broker, worker or database"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, **options: Any) -> None:
        rules = _rules(options)
        answer = self._inline if options["inline"] else self._through_jobs
        result = answer(rules, rounds=options["rounds"], seed=options["seed"])
        if options["json"]:
            self.stdout.write(json.dumps(result))
        else:
            self._print_report(rules, result)

    def _through_jobs(self, rules: Rules, *, rounds: int, seed: int | None) -> dict[str, Any]:
        simulation = lifecycle.start(rules, rounds=rounds, seed=seed)
        self._say(f"Simulation {simulation.id}: {simulation}, seed {simulation.seed}")
        try:
            tally = self._wait_for(simulation)
        except KeyboardInterrupt:
            address = simulation.get_absolute_url()
            raise CommandError(f"Not waiting any more. It goes on; see {address}") from None
        return report(rules, seed=simulation.seed, chunk_size=simulation.chunk_size, tally=tally)

    def _wait_for(self, simulation: Simulation) -> Tally:
        while True:
            simulation.refresh_from_db()
            progress = progress_of(simulation)
            self._show(progress)
            if not simulation.is_active:
                break
            time.sleep(LOOK_SECONDS)
        self._say("")
        if simulation.tally is None:
            raise CommandError(
                f"The simulation was {simulation.state}. {simulation.reason}".strip()
            )
        return Tally.from_dict(simulation.tally)

    def _inline(self, rules: Rules, *, rounds: int, seed: int | None) -> dict[str, Any]:
        seed = lifecycle.new_seed() if seed is None else seed
        plan = Plan.for_rounds(rounds)
        warm_up()
        tallies: list[Tally] = []
        # Threads: the compiled engine holds no lock of the interpreter.
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            counting = [
                pool.submit(
                    count_chunk, rules, seed=seed, index=index, rounds=plan.rounds_in(index)
                )
                for index in range(plan.chunks)
            ]
            try:
                for done in as_completed(counting):
                    tallies.append(done.result())
                    self._say_progress(len(tallies) / plan.chunks)
            except KeyboardInterrupt:
                pool.shutdown(wait=False, cancel_futures=True)
                raise CommandError("Interrupted; nothing was kept.") from None
        self._say("")
        return report(rules, seed=seed, chunk_size=plan.chunk_size, tally=Tally.total(tallies))

    def _show(self, progress: Progress) -> None:
        speed = progress.rounds_per_second
        detail = f"{speed / 1e6:.1f} M rounds/s" if speed else "waiting for a worker"
        self._say_progress(progress.fraction, detail=detail)

    def _say_progress(self, fraction: float, *, detail: str = "") -> None:
        if sys.stderr.isatty():
            self.stderr.write(f"\r{fraction:6.1%} {detail:<24}", ending="")
        elif (tenth := int(fraction * 10)) != self.tenth:
            # In a log: a line now and then.
            self.tenth = tenth
            self.stderr.write(f"{fraction:.0%} {detail}".rstrip())

    def _say(self, line: str) -> None:
        if line or sys.stderr.isatty():
            self.stderr.write(line, self.style.SUCCESS)

    def _print_report(self, rules: Rules, result: dict[str, Any]) -> None:
        low, high = result["ev_95"]
        self.stdout.write(f"{result['rounds']:,} rounds, {rules}, seed {result['seed']}")
        self.stdout.write(
            f"value of a round {result['ev']:+.4%} of the bet, 95 % between {low:+.4%} and "
            f"{high:+.4%}, standard deviation {result['sd']:.4f}"
        )


def _rules(options: dict[str, Any]) -> Rules:
    try:
        return Rules(
            decks=options["decks"],
            hit_soft_17=options["h17"],
            double_after_split=not options["no_das"],
            late_surrender=options["surrender"],
            penetration=options["penetration"],
            max_hands=options["max_hands"],
            rounds_per_shoe=options["rounds_per_shoe"],
        )
    except RulesError as reason:
        raise CommandError(str(reason)) from None
