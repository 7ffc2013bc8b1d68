"""How many members of batches and groups are in each state, counted from their index and no further than a bound."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from holdfast.ledger.database import connection
from holdfast.ledger.states import State

# In the order of the index: without it a planner that expects many may read the table until it has met so many.
_COUNT = """
WITH wanted(id) AS (VALUES {ids}), states(state) AS (VALUES {states})
SELECT wanted.id, states.state, (
  SELECT count(*) FROM (
    SELECT 1 FROM holdfast_job AS j WHERE j.{column} = wanted.id AND j.state = states.state ORDER BY j.id LIMIT %s
  ) AS members)
FROM wanted CROSS JOIN states
"""


def tally(column: str, ids: Sequence[str], *, most: int) -> dict[str, Counter[State]]:
    """Count members by state: one statement, which reads no more than `most` + 1 entries of the index for each count.

    A count of `most` + 1 means that there are more than `most`.

    Args:
        column: "batch_id" or "group_id".
        ids: of batches or groups.
        most: of one state of one of them.
    """
    found: dict[str, Counter[State]] = {id: Counter() for id in ids}
    if not found:
        return found
    sql = _COUNT.format(
        column=column,
        ids=", ".join(["(%s)"] * len(found)),
        states=", ".join(f"({state:d})" for state in State),
    )
    with connection().cursor() as cursor:
        cursor.execute(sql, [*found, most + 1])
        for id, state, count in cursor.fetchall():
            if count:
                found[id][State(state)] = count
    return found
