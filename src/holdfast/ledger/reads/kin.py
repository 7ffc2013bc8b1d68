"""The jobs of one workflow: those with the same root, the members of their groups, and theirs again; for `graph`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from django.db.models import F, Q

from holdfast.ledger.fence import job_rows

# As the index of roots says it: a job that stands by itself is its own root and costs no entry.
BELOW_A_ROOT = Q(root_id__isnull=False) & ~Q(root_id=F("id"))
_PAGE = 500


class Kin(NamedTuple):
    """A job as part of its workflow."""

    id: str
    task: str
    state: int
    hold: str
    reason: str
    root_id: str | None
    parent_id: str | None
    group_id: str | None
    batch_id: str | None
    linked: bool


def kin(
    ids: Iterable[str] = (), *, batches: Sequence[str] = (), groups: Sequence[str] = (), limit: int
) -> tuple[dict[str, Kin], bool]:
    """Return the jobs of the workflows that these jobs, batches and groups are part of, by id; and whether it is all.

    Every statement goes by the key or by one of the small indexes of members. After `limit` jobs it stops looking.
    """
    return _Search(limit).run(ids, batches, groups)


class _Search:
    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.found: dict[str, Kin] = {}
        self.seen: dict[str, set[str]] = {"root": set(), "group": set()}
        self.new: dict[str, list[str]] = {"root": [], "group": []}

    def run(
        self, ids: Iterable[str], batches: Sequence[str], groups: Sequence[str]
    ) -> tuple[dict[str, Kin], bool]:
        self._note("group", groups)
        whole = self._add(Q(batch_id__in=batches)) if batches else True
        whole = self._of(list(ids), "id__in") and whole
        while whole and (self.new["root"] or self.new["group"]):
            roots, self.new["root"] = self.new["root"], []
            members, self.new["group"] = self.new["group"], []
            whole = (
                self._of(roots, "id__in")
                and self._of(roots, "root_id__in", BELOW_A_ROOT)
                and self._of(members, "group_id__in")
            )
        return self.found, whole

    def _of(self, values: Sequence[str], lookup: str, condition: Q | None = None) -> bool:
        for start in range(0, len(values), _PAGE):
            asked = Q(**{lookup: values[start : start + _PAGE]})
            if not self._add(asked if condition is None else condition & asked):
                return False
        return True

    def _add(self, asked: Q) -> bool:
        """Note the jobs that are asked for; False once there are too many."""
        rows = job_rows().filter(asked).order_by("id").values_list(*Kin._fields)
        for values in rows[: self.limit + 1]:
            row = Kin(*values)
            if row.id in self.found:
                continue
            if len(self.found) == self.limit:
                return False
            self.found[row.id] = row
            self._note("root", [row.root_id or row.id])
            self._note("group", [row.group_id] if row.group_id else [])
        return True

    def _note(self, kind: str, ids: Iterable[str]) -> None:
        for id in ids:
            if id not in self.seen[kind]:
                self.seen[kind].add(id)
                self.new[kind].append(id)
