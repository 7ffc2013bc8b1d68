"""`manage.py exact`: the exact value of a game, by enumeration, without playing a round."""

import json
from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from jost.simulations.engine.chart import PARTS, UPCARDS
from jost.simulations.engine.rules import RulesError
from jost.simulations.exact import NO_EXACT_VALUE, RESULTS, Exact, exact, has_exact_value
from jost.simulations.exact_report import exact_answer, left_out
from jost.simulations.schemas import schema_of
from jost.simulations.setup import Setup
from jost.simulations.shorthand import add_rules_arguments, rules_file_of, said


class Command(BaseCommand):
    help = (
        "Compute the exact value of a round, without a cut card, and the chances of the dealer. "
        "Unless rules file, preset or flags say how the game is dealt: a fresh shoe every round. "
        "--json prints one JSON object, --schema says what is in it."
    )

    # Nothing is asked of the database, or of any other part of the project.
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object")
        parser.add_argument(
            "--schema", action="store_true", help="print the JSON schema of that object"
        )
        add_rules_arguments(parser)

    def handle(self, **options: Any) -> None:
        if options["schema"]:
            self.stdout.write(json.dumps(schema_of("exact"), indent=2))
            return
        try:
            setup = _setup_of(options)
            found = exact(setup.game.rules, setup.game.chart)
        except RulesError as reason:
            raise CommandError(said(reason)) from None
        if options["json"]:
            self.stdout.write(json.dumps(exact_answer(setup, found)))
        else:
            self.stdout.write("\n".join(told(setup, found)))


def _setup_of(options: dict[str, Any]) -> Setup:
    values = rules_file_of(options)
    values.setdefault("dealing", {"mode": "every_round"})
    setup = Setup.from_dict(values)
    if not has_exact_value(setup.game.rules):
        raise RulesError(
            f"{NO_EXACT_VALUE} --fresh-shoe asks for the same game from fresh shoes.",
            field="dealing",
        )
    return setup


def told(setup: Setup, found: Exact) -> Iterator[str]:
    yield f"{found.rules}"
    spread = "" if found.sd is None else f", standard deviation {found.sd:.4f}"
    yield f"value of a round {found.ev:+.6%} of the bet{spread}"
    yield f"holds for {found.holds_for}"
    if left := left_out(setup):
        yield f"leaves out {', '.join(left)}"
    yield f"blackjacks {found.blackjack:.4%}, insurance {found.insurance:+.4%} of what is put on it"
    yield ""
    yield f"{'dealer':>6} " + " ".join(f"{result:>9}" for result in RESULTS)
    for up, chances in found.dealer.items():
        yield f"{up:>6} " + " ".join(f"{chances[result]:>9.4%}" for result in RESULTS)
    for part, names in PARTS.items():
        yield ""
        yield f"{part:>6} " + " ".join(f"{up:>2}" for up in UPCARDS)
        for name in names:
            row = found.chart.parts[part][name]
            yield f"{name:>6} " + " ".join(f"{code:>2}" for code in row)
