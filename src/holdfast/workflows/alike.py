"""Which jobs of a workflow are alike: members of one group, or jobs of one task that were sent by alike jobs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from holdfast.ledger.reads import outlines
from holdfast.ledger.reads.kin import Kin
from holdfast.ledger.reads.outlines import Found

Sets = dict[str, list[Kin]]
# Sets that are alike by their parents are keyed by a digest: a chain of a thousand steps would make long names.
_DIGITS = 16


def behind_crowds(found: Found) -> dict[str, str]:
    """Return the keys of the crowds of those jobs that have sent others and are not read themselves, by their ids."""
    if not found.crowds:
        return {}
    parents = {row.parent_id for row in found.rows.values() if row.parent_id}
    parents |= {row.parent_id for c in found.crowds.values() for row in c.opened if row.parent_id}
    behind = {}
    for id, (group, batch) in outlines.parents(parents - found.rows.keys()).items():
        crowd = found.crowd_of(group, batch)
        if crowd is not None:
            behind[id] = crowd.key
    return behind


def sets_of(found: Found, behind: Mapping[str, str]) -> Sets:
    """Return the jobs by what they are alike in: every job is in one set, most of them in one of their own.

    Args:
        found: the jobs.
        behind: the key of the crowd that a job is in which is not read, see `behind_crowds`.
    """
    keys = dict(behind)
    for row in found.rows.values():
        _name(row, found, keys)
    sets: Sets = {}
    for row in found.rows.values():
        sets.setdefault(keys[row.id], []).append(row)
    return sets


def _name(row: Kin, found: Found, keys: dict[str, str]) -> None:
    """Name the set of a job, after those of the jobs it comes from; without recursion, for chains are long."""
    way: list[Kin] = []
    here: Kin | None = row
    while here is not None and here.id not in keys:
        way.append(here)
        # Who is asked again on the way is in a circle: it stands by itself.
        keys[here.id] = f"job:{here.id}"
        is_member = bool(here.group_id) and not _follows(here, found, keys)
        here = None if is_member else found.rows.get(here.parent_id or "")
    for one in reversed(way):
        keys[one.id] = _key(one, found, keys)


def _follows(row: Kin, found: Found, keys: dict[str, str]) -> bool:
    """Tell whether a job with the id of a group is the body of a chord: it was sent by one of the members."""
    parent = found.rows.get(row.parent_id or "")
    if parent is not None:
        return parent.group_id == row.group_id
    return keys.get(row.parent_id or "") == f"group:{row.group_id}"


def _key(row: Kin, found: Found, keys: dict[str, str]) -> str:
    if row.group_id and not _follows(row, found, keys):
        return f"group:{row.group_id}"
    if row.parent_id:
        above = keys.get(row.parent_id, row.parent_id)
        return f"sent:{_digest(f'{row.task} {above}')}"
    return f"in:{row.batch_id}:{row.task}" if row.batch_id else f"job:{row.id}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]
