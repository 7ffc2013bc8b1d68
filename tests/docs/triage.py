"""Makes the trees of docs/triage.md from those that the doctor walks.

python -m tests.docs.triage --write
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from holdfast.doctor.findings import REGISTRY
from holdfast.doctor.probing import probes
from holdfast.doctor.report import lowered
from holdfast.doctor.triage import TREES, Question, Verdict
from tests.docs.pages import ROOT

PAGE = ROOT / "docs" / "triage.md"


def marks(name: str) -> tuple[str, str]:
    """Return what stands before and after a tree."""
    return f"<!-- tree {name}: `python -m tests.docs.triage --write` -->", f"<!-- end of {name} -->"


def page() -> str:
    """Return the page with each tree as the doctor has it."""
    probes()
    text = PAGE.read_text()
    for name, tree in TREES.items():
        begin, end = marks(name)
        before, _, rest = text.partition(begin)
        _, _, after = rest.partition(end)
        made = "\n".join([*_diagram(tree), "", *_table(tree)])
        text = f"{before}{begin}\n\n{made}\n\n{end}{after}"
    return text


def questions(tree: Question) -> Iterator[Question]:
    """Yield the questions in the order in which they are asked."""
    node: Question | Verdict = tree
    while isinstance(node, Question):
        yield node
        node = node.no


def _diagram(tree: Question) -> Iterator[str]:
    yield "```mermaid"
    yield "flowchart TD"
    for question in questions(tree):
        yield f'    {question.key}{{"{_quoted(question.text)}"}}'
        yield f'    {question.key} -- yes --> {question.key}_is["{_quoted(question.yes.kind)}"]'
        after = question.no
        if isinstance(after, Question):
            yield f"    {question.key} -- no --> {after.key}"
        else:
            yield f'    {question.key} -- no --> end_is["{_quoted(after.kind)}"]'
    yield "```"


def _quoted(text: str) -> str:
    return text.replace('"', "'")


def _table(tree: Question) -> Iterator[str]:
    yield "| asked | yes, if one of these is found | then it is |"
    yield "| --- | --- | --- |"
    for question in questions(tree):
        signs = ", ".join(_link(sign) for sign in question.signs)
        yield f"| {question.text} | {signs} | {question.yes.kind} |"


def _link(sign: str) -> str:
    title = REGISTRY[f"holdfast.{sign}"].title
    return f"[{sign}](reference/findings.md#holdfast{sign.lower()}) {lowered(title)}"


if __name__ == "__main__":
    wanted = page()
    if "--write" in sys.argv:
        PAGE.write_text(wanted)
    elif wanted != PAGE.read_text():
        sys.exit(f"{PAGE} is stale: run python -m tests.docs.triage --write")
