"""What probes are given: rows in their time, and nobody who writes is kept waiting."""

from __future__ import annotations

import pytest
from django.db import OperationalError, connections, transaction

from holdfast.doctor.look import Look


def test_rows_are_read_beside_somebody_who_writes(ledger: str) -> None:
    look = Look()
    with look.during(5.0):
        other = connections.create_connection(ledger)
        try:
            with other.cursor() as cursor:
                cursor.execute("BEGIN")
                cursor.execute("DELETE FROM holdfast_pause")
                assert look.rows(
                    "SELECT count(*) FROM holdfast_pause WHERE kind = %s", ["queue"]
                ) == [(0,)]
                cursor.execute("ROLLBACK")
        finally:
            other.close()


def test_statement_ends_with_the_time_of_its_probe(ledger: str) -> None:
    look = Look()
    with look.during(0.2):
        if look.vendor != "postgresql":
            pytest.skip("SQLite has no statements that wait")
        with pytest.raises(OperationalError, match="statement timeout"):
            look.rows("SELECT pg_sleep(30)")
        # Nothing of it stays with the connection.
        assert look.connection.in_atomic_block is False
        with transaction.atomic(using=ledger), look.connection.cursor() as cursor:
            cursor.execute("SHOW statement_timeout")
            assert cursor.fetchone() == ("0",)
