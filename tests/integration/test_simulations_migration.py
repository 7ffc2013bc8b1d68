"""A database of the first engine comes to the second: its simulations go, its tables are those of today."""

from __future__ import annotations

from pathlib import Path

from django.core.management import call_command
from django.db import connections
from pytest_django import DjangoDbBlocker

from jost.simulations.models import Chunk, Simulation
from tests.ledgers import sqlite_url
from tests.simulated import SEED, plain_setup, pretended
from tests.surroundings import database


def test_database_of_the_first_engine_takes_simulations_of_the_second(
    database_url: str, tmp_path: Path, django_db_blocker: DjangoDbBlocker
) -> None:
    url = database_url or sqlite_url(tmp_path)
    with django_db_blocker.unblock(), database("first", url):
        call_command("migrate", "simulations", "0001", database="first", verbosity=0)
        _insert_old_rows()

        call_command("migrate", "simulations", database="first", verbosity=0)

        assert not Simulation.objects.using("first").exists()
        new = Simulation.objects.using("first").create(
            rules=plain_setup().to_dict(), rounds=50_000, seed=SEED, engine_version=2
        )
        chunk = Chunk.of(new.pk, index=0, tally=pretended(None, seed=SEED, index=0, rounds=50_000))
        chunk.save(using="first")
        assert Chunk.objects.using("first").get().is_whole


def _insert_old_rows() -> None:
    key = "0" * 32
    with connections["first"].cursor() as cursor:
        cursor.execute(
            "INSERT INTO simulations_simulation (id, rules, rounds, seed, chunk_size, engine_version, state, reason,"
            " created_at) VALUES (%s, '{}', 1000, 1, 1000, 1, 'queued', '', CURRENT_TIMESTAMP)",
            [key],
        )
        cursor.execute(
            'INSERT INTO simulations_chunk (simulation_id, "index", rounds, payoff_sum, payoff_squares, tally,'
            " created_at) VALUES (%s, 0, 1000, 0, 0, '{}', CURRENT_TIMESTAMP)",
            [key],
        )
