"""How fast JOST plays blackjack: rounds per second of one core, beside a plain C loop of the same games.

`python -m benchmarks.simulations` compiles `blackjack.c` on the spot and plays four games, each with more to do than
the one before, engine and C loop in turns; `--write` keeps the medians in benchmarks/results/simulations.json. Time is
that of the processor, so that others on the machine matter little; the ratio is what can be compared between machines.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import machine
from jost.simulations.engine import ENGINE_VERSION, Game, Rules, count_chunk, is_compiled, warm_up
from jost.simulations.engine.counting import HI_LO
from jost.simulations.engine.plays import FAB_4, ILLUSTRIOUS_18
from jost.simulations.exact import best_chart

RESULTS = machine.ROOT / "benchmarks/results/simulations.json"
SOURCE = machine.ROOT / "benchmarks/blackjack.c"
FLAGS = ("-O3", "-march=native")
REPEATS = 5
GOALS = {"flat": 40.0, "everything": 30.0}
# 6 decks, S17, DAS, a cut card at 75 %; C's stages are numbered in this order.
STAGES = ("flat", "count", "indices", "everything")


def games() -> dict[str, Game]:
    """The stages: basic strategy; Hi-Lo with results per true count; index plays; surrender too."""
    rules, surrender = Rules(), Rules(surrender="late")
    chart = best_chart(rules)
    return {
        "flat": Game(rules=rules, chart=chart),
        "count": Game(rules=rules, chart=chart, count=HI_LO),
        "indices": Game(rules=rules, chart=chart, count=HI_LO, plays=ILLUSTRIOUS_18),
        "everything": Game(
            rules=surrender,
            chart=best_chart(surrender),
            count=HI_LO,
            plays=ILLUSTRIOUS_18 + FAB_4,
        ),
    }


def main() -> None:
    """Measure, print a table and, if asked, keep it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.simulations", description=__doc__)
    parser.add_argument("--rounds", type=float, default=2e7, help="of each measurement")
    parser.add_argument("--write", action="store_true", help=f"keep the figures in {RESULTS.name}")
    options = parser.parse_args()
    begun = datetime.now(UTC)
    with machine.watched() as others, compiled_c() as reference:
        stages = measure(int(options.rounds), reference=reference)
    report = {
        "rules": str(Rules()),
        "rounds": int(options.rounds),
        "repeats": REPEATS,
        "unit": "million rounds per second of one core, by processor time",
        "goals": GOALS,
        "stages": stages,
        "date": begun.isoformat(timespec="seconds"),
        "busy_with_others": round(others.share, 3),
        "cpu": machine.cpu(),
        "versions": _versions(),
        "command": "python -m benchmarks.simulations --write",
    }
    print("\n".join(table(report)))
    if options.write:
        RESULTS.write_text(json.dumps(report, indent=1) + "\n")


def measure(rounds: int, *, reference: Path | None) -> dict[str, dict[str, Any]]:
    """Play every stage REPEATS times, engine and C loop in turns."""
    warm_up()
    if not is_compiled():
        raise SystemExit("Numba is missing: install requirements.lock, or unset JOST_PURE_PYTHON.")
    stages = games()
    engine: dict[str, list[float]] = {name: [] for name in STAGES}
    loop: dict[str, list[float]] = {name: [] for name in STAGES}
    for repeat in range(REPEATS):
        for number, name in enumerate(STAGES):
            engine[name].append(_rate(rounds, lambda: _played(stages[name], repeat, rounds)))  # noqa: B023 - called here
            if reference:
                loop[name].append(rounds / 1e6 / _looped(reference, number, rounds, repeat))
    return {name: _figures(engine[name], loop[name]) for name in STAGES}


def table(report: dict[str, Any]) -> Iterator[str]:
    """The lines to print."""
    yield f"{report['rules']}: {report['unit']}"
    yield f"{'':12}{'JOST':>8}{'lowest':>8}{'highest':>8}{'C loop':>8}{'ratio':>7}{'goal':>7}"
    for name, stage in report["stages"].items():
        goal, ratio = report["goals"].get(name), stage.get("ratio")
        yield (
            f"{name:12}{stage['engine']:8.1f}{stage['lowest']:8.1f}{stage['highest']:8.1f}"
            f"{stage.get('c_loop') or '-':>8}{ratio or '-':>7}{goal or '':>7}"
        )
    said = ", ".join(f"{name} {number}" for name, number in report["versions"].items())
    yield f"{report['cpu']}; {said}; others used {report['busy_with_others']:.0%}"


@contextmanager
def compiled_c() -> Iterator[Path | None]:
    """The C loop, compiled for this machine; None where there is no C compiler."""
    with tempfile.TemporaryDirectory(prefix="blackjack-") as directory:
        built = Path(directory) / "blackjack"
        try:
            subprocess.run([_compiler(), *FLAGS, "-o", str(built), str(SOURCE)], check=True)
        except FileNotFoundError:
            print("There is no C compiler (cc): the engine is measured alone.")
            yield None
        else:
            yield built


def _compiler() -> str:
    return os.environ.get("CC", "cc")


def _played(game: Game, repeat: int, rounds: int) -> None:
    count_chunk(game, seed=1, index=repeat, rounds=rounds)


def _rate(rounds: int, play: Callable[[], None]) -> float:
    begun = time.process_time()
    play()
    return rounds / 1e6 / (time.process_time() - begun)


def _looped(reference: Path, stage: int, rounds: int, repeat: int) -> float:
    """Processor seconds that the C loop took."""
    asked = [str(reference), str(stage), str(rounds), str(repeat + 1)]
    said = subprocess.run(asked, check=True, capture_output=True, text=True).stdout
    return float(said.split()[0])


def _figures(engine: list[float], loop: list[float]) -> dict[str, Any]:
    figures = {
        "engine": round(median(engine), 1),
        "lowest": round(min(engine), 1),
        "highest": round(max(engine), 1),
    }
    if loop:
        figures["c_loop"] = round(median(loop), 1)
        figures["ratio"] = round(median(engine) / median(loop), 2)
    return figures


def _versions() -> dict[str, str]:
    try:
        asked = [_compiler(), "--version"]
        compiler = subprocess.run(asked, capture_output=True, text=True, check=False).stdout
    except FileNotFoundError:
        compiler = ""
    found = {"engine": str(ENGINE_VERSION), "python": platform.python_version()}
    found |= {name: version(name) for name in ("numba", "llvmlite", "numpy")}
    return found | {"cc": compiler.partition("\n")[0], "holdfast": machine.commit()}


if __name__ == "__main__":
    main()
