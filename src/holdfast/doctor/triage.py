"""Decision trees that end in one sentence: why connections drop, and which of the seven ways to fail it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from holdfast.doctor.findings import Finding
from holdfast.doctor.probing import probes
from holdfast.doctor.report import Report, first_sentence, lowered
from holdfast.doctor.triage_signs import (
    ACCESS,
    CRASHING,
    CROWDED,
    DATABASE,
    DISCOVERY,
    EAGER,
    FORGETFUL,
    GIVING_UP,
    IDLE_CLOSED,
    LOST,
    PENDING,
    STALLING,
    UNKNOWN_TASK,
    UNWATCHED,
)

YES, NO, NOT_KNOWN = "yes", "no", "not known"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """An end of a tree."""

    kind: str
    """What it is, in some words."""
    sentence: str
    """`{kind}`, `{id}`, `{title}` and `{repair}` are filled in from the finding that decided."""
    sick: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A fork: yes if one of its signs was found."""

    key: str
    text: str
    signs: tuple[str, ...]
    """Ids of findings, the most telling first."""
    yes: Verdict
    no: Question | Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A question on the way, its answer, and the findings that gave it."""

    key: str
    question: str
    answer: str
    because: list[Finding] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Triage:
    """The way through a tree, and its end."""

    name: str
    path: list[Step]
    kind: str
    sick: bool
    sentence: str
    decided_by: str = ""
    """The id of the finding that decided; empty where nothing was found."""

    def as_dict(self) -> dict[str, Any]:
        """Return what `--triage --json` prints."""
        return {
            "schema": 1,
            "triage": self.name,
            "kind": self.kind,
            "sick": self.sick,
            "sentence": self.sentence,
            "decided_by": self.decided_by,
            "path": [
                {
                    "key": step.key,
                    "question": step.question,
                    "answer": step.answer,
                    "because": [{"id": one.id, "evidence": one.evidence} for one in step.because],
                }
                for step in self.path
            ],
        }

    def lines(self) -> Iterator[str]:
        """Yield the way for people; the last line is the sentence."""
        for step in self.path:
            yield f"{step.question} {step.answer.capitalize()}."
            for finding in step.because:
                for line in f"{finding.id}: {finding.evidence}".splitlines():
                    yield f"    {line}"
        yield ""
        yield self.sentence


def triage(report: Report, name: str) -> Triage:
    """Walk a tree by what an examination has found.

    Raises:
        KeyError: there is no such tree; `TREES` has them.
    """
    node: Question | Verdict = TREES[name]
    path: list[Step] = []
    decided: Finding | None = None
    while isinstance(node, Question):
        found = _found(report, node.signs)
        answer = YES if found else (NOT_KNOWN if _is_unknown(report, node.signs) else NO)
        path.append(Step(key=node.key, question=node.text, answer=answer, because=found))
        decided = found[0] if found else None
        node = node.yes if found else node.no
    return Triage(
        name=name,
        path=path,
        kind=node.kind,
        sick=node.sick,
        sentence=_sentence(node, decided, path),
        decided_by=decided.id if decided else "",
    )


def _found(report: Report, signs: Sequence[str]) -> list[Finding]:
    found = {finding.id: finding for finding in reversed(report.findings)}
    return [found[f"holdfast.{sign}"] for sign in signs if f"holdfast.{sign}" in found]


def _is_unknown(report: Report, signs: Sequence[str]) -> bool:
    """Tell whether nobody was asked who could have found one of the signs, or somebody could not answer."""
    ids = {f"holdfast.{sign}" for sign in signs}
    names = {one.name for one in probes() if any(kind.id in ids for kind in one.finds)}
    failed = {finding.data.get("probe") for finding in report.findings}
    return not names.intersection(report.asked) or bool(names & failed)


def _sentence(verdict: Verdict, decided: Finding | None, path: Sequence[Step]) -> str:
    unknown = [step.key for step in path if step.answer == NOT_KNOWN]
    beside = f" (not known: {', '.join(unknown)})" if unknown and not verdict.sick else ""
    if decided is None:
        return verdict.sentence.format(beside=beside)
    repair = lowered(first_sentence(decided.repair))
    return verdict.sentence.format(
        kind=verdict.kind, id=decided.id, title=lowered(decided.title), repair=repair
    )


_IS = "It is {kind}, {id} ({title}): {repair}."
_NOTHING = Verdict(
    kind="nothing that can be seen now",
    sentence="Nothing that drops connections can be seen now{beside}: run `manage.py holdfast doctor --only broker "
    "--watch 5` while it happens.",
    sick=False,
)
_HEALTHY = Verdict(
    kind="none of the seven",
    sentence="It is none of the seven ways to fail that can be seen now{beside}: run `manage.py holdfast doctor` for "
    "all that can be known.",
    sick=False,
)


def _chain(*forks: tuple[str, str, tuple[str, ...], str], end: Verdict) -> Question:
    """Return the tree whose questions are asked one after the other until one is answered with yes."""
    node: Question | Verdict = end
    for key, text, signs, kind in reversed(forks):
        node = Question(
            key=key, text=text, signs=signs, yes=Verdict(kind=kind, sentence=_IS), no=node
        )
    assert isinstance(node, Question)
    return node


TREES: dict[str, Question] = {
    "connection-drops": _chain(
        (
            "address",
            "Is the broker sought where it is not?",
            DISCOVERY,
            "service discovery",
        ),
        (
            "access",
            "Is it there, and lets nobody in?",
            ACCESS,
            "access, which no reconnect mends",
        ),
        (
            "server",
            "Does the server close connections, or refuse new ones?",
            (*IDLE_CLOSED, *CROWDED),
            "the connections' lifecycle, on the server's side",
        ),
        (
            "client",
            "Do connections go stale without being noticed?",
            UNWATCHED,
            "the connections' lifecycle, on this side",
        ),
        (
            "reconnect",
            "Is a worker connected, and takes nothing?",
            STALLING,
            "a worker that does not come back from a reconnect",
        ),
        (
            "patience",
            "Do workers give up when the broker is away?",
            GIVING_UP,
            "a worker that gives up in place of connecting anew",
        ),
        end=_NOTHING,
    ),
    "failures": _chain(
        (
            "start",
            'Do workers not start, or fail with "connection refused"?',
            (*LOST, *DISCOVERY, *ACCESS),
            "an address that is wrong where the process runs",
        ),
        (
            "eager",
            "Do tasks run inside the caller?",
            EAGER,
            "eager mode",
        ),
        (
            "messages",
            "Can messages vanish?",
            FORGETFUL,
            "loss of messages",
        ),
        (
            "memory",
            "Do workers die while they work?",
            CRASHING,
            "workers that crash or are killed",
        ),
        (
            "database",
            "Does the database refuse connections, or soon will?",
            DATABASE,
            "connections of the database",
        ),
        (
            "imports",
            "Do workers and callers have different code?",
            UNKNOWN_TASK,
            "an import or path that differs between processes",
        ),
        (
            "pending",
            "Do jobs wait where nobody takes them?",
            PENDING,
            "jobs that wait for ever",
        ),
        end=_HEALTHY,
    ),
}
