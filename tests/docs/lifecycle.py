"""Makes the diagram and the tables of docs/lifecycle.md from the table of states.

python -m tests.docs.lifecycle --write
"""

from __future__ import annotations

import ast
import sys

from holdfast.ledger.states import CELERY_STATE, DEAD_LETTERS, FINAL, MOVES, Move, State
from tests.docs.pages import ROOT

PAGE = ROOT / "docs" / "lifecycle.md"
BEGIN = "<!-- made by `python -m tests.docs.lifecycle --write` -->"
END = "<!-- end of what is made -->"
_LEDGER = ROOT / "src" / "holdfast" / "ledger"
_MODULES = ("transitions", "publishing", "interventions", "snoozing")
_CODE = tuple(_LEDGER / f"{module}.py" for module in _MODULES)
# Moves that a function of another name makes, or several functions.
_MEANINGS = {
    "publish": "Turn held jobs whose time has come into queued ones, and put them on the broker.",
    "replace": "Put the job back as another call: one that the body named in its own place.",
    "take_over": "Record the last step of what replaced a job: it carries the job's id, and is the job from now on.",
    "supersede": "Put a unique call in the place of the waiting job that has its key.",
    "postpone": "Push the time of a waiting job to that of a unique call that met it at its key.",
    "reroute": "Let a queued job wait on another queue, or with another priority: at its end, under a new ticket.",
    "redirect": "Let a held job wait for another queue, or with another priority.",
    "line_up": "Let a limited job whose time has come wait at its limits.",
    "shelve": "Hold queued jobs that a claim has refused for a pause.",
    "wake": "Make jobs due whose queue and task are not paused any more.",
    "admit": "Let a job go on that waits at a limit: there is room for it at all of its limits.",
    "skip": "End a job that waits at a limit: it was to run at once or not at all, or its time to be of use is over.",
    "reject": "End an attempt of a job that nobody can run: refused by its task, or its body cannot be read.",
}


def render() -> str:
    """Return everything between the two marks."""
    return "\n".join([*_diagram(), "", *_states(), "", *_moves()])


def page_with(rendered: str) -> str:
    """Return the page with what lies between the marks replaced."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{rendered}\n\n{END}{after}"


def _diagram() -> list[str]:
    edges: dict[tuple[str, str], list[str]] = {}
    for verb, move in MOVES.items():
        if move.sources == FINAL:
            continue
        for start in [_name(source) for source in sorted(move.sources)] or ["[*]"]:
            for state in sorted(move.targets):
                edges.setdefault((start, _name(state)), []).append(verb)
    lines = ["```mermaid", "stateDiagram-v2"]
    for (start, target), verbs in edges.items():
        lines.append(f"    {start} --> {target}: {', '.join(verbs)}")
    again = [verb for verb, move in MOVES.items() if move.sources == FINAL]
    lines += ["    note right of queued", f"        {', '.join(again)} leads here"]
    lines += ["        from every final state", "    end note", "```"]
    return lines


def _states() -> list[str]:
    lines = ["| state | final | Celery shows |", "| --- | --- | --- |"]
    for state in State:
        kind = "yes, a dead letter" if state in DEAD_LETTERS else "yes" if state in FINAL else ""
        lines.append(f"| `{_name(state)}` | {kind} | `{CELERY_STATE[state]}` |")
    return lines


def _moves() -> list[str]:
    said = _docstrings()
    lines = ["| move | from | to | is |", "| --- | --- | --- | --- |"]
    for verb, move in MOVES.items():
        meaning = _MEANINGS.get(verb) or said[verb]
        lines.append(f"| `{verb}` | {_sources(move)} | {_names(move.targets)} | {meaning} |")
    return lines


def _sources(move: Move) -> str:
    if not move.sources:
        return "nothing"
    return "every final state" if move.sources == FINAL else _names(move.sources)


def _names(states: frozenset[State]) -> str:
    return ", ".join(_name(state) for state in sorted(states))


def _name(state: State) -> str:
    return state.name.lower()


def _docstrings() -> dict[str, str]:
    statements = [node for path in _CODE for node in ast.parse(path.read_text()).body]
    functions = [node for node in statements if isinstance(node, ast.FunctionDef)]
    return {f.name: (ast.get_docstring(f) or "").partition("\n")[0] for f in functions}


if __name__ == "__main__":
    wanted = page_with(render())
    if "--write" in sys.argv:
        PAGE.write_text(wanted)
    elif wanted != PAGE.read_text():
        sys.exit(f"{PAGE} is stale: run python -m tests.docs.lifecycle --write")
