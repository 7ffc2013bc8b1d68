"""What mends the ledger's tables beside running work: indexes that are missing, dead rows, vacuum switched off.

No row of a job is touched. Each is one statement or two outside of any transaction: a process that dies half-way
leaves at worst an invalid index, which the next try builds anew.
"""

from __future__ import annotations

from holdfast.ledger.database import connection
from holdfast.ledger.reads import structure


def build_index(name: str) -> None:
    """Build an index that is missing, or anew one that is invalid; on PostgreSQL beside running work.

    It is outside of any transaction: a process that dies half-way leaves an invalid index, which this builds anew.
    It takes as long as the table is large. One that is there and valid is left as it is.

    Raises:
        LookupError: the models have no such index.
    """
    statement = structure.sql_of_index(name)
    found = dict(structure.there())
    with connection().cursor() as cursor:
        if not found.get(name, True):
            cursor.execute(f'DROP INDEX CONCURRENTLY IF EXISTS "{name}"')
        elif name in found:
            return
        cursor.execute(statement)


def vacuum(table: str) -> None:
    """Take away the dead rows of a table of the ledger; PostgreSQL alone needs it.

    Raises:
        LookupError: the ledger has no such table.
    """
    _run(f"VACUUM (ANALYZE) {_known(table)}")


def let_be_vacuumed(table: str) -> None:
    """Let autovacuum see to a table of the ledger again.

    Raises:
        LookupError: the ledger has no such table.
    """
    _run(f"ALTER TABLE {_known(table)} RESET (autovacuum_enabled)")


def _known(table: str) -> str:
    if table not in structure.table_names():
        raise LookupError(f"the ledger has no table {table!r}")
    return table


def _run(statement: str) -> None:
    with connection().cursor() as cursor:
        cursor.execute(statement)
