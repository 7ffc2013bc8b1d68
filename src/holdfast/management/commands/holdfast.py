"""`manage.py holdfast <verb>`: one command, its verbs the modules of `holdfast.management.verbs`."""

from __future__ import annotations

import contextlib
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError, ProgrammingError
from django.utils.translation import override

from holdfast.doctor import last_resort
from holdfast.exceptions import HoldfastError
from holdfast.ledger.connections.watchdog import connect_soon
from holdfast.management import verbs
from holdfast.management.terminal import Terminal
from holdfast.management.words import choice

# Django has loaded the project by now; see there.
last_resort.give_back()


class Command(BaseCommand):
    help = "Look at the jobs of this project and work on them."

    # An operator at work: the remarks of the system checks would bury the answer.
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        modules = _modules()
        helps = {name: (module.__doc__ or "").splitlines()[0] for name, module in modules.items()}
        for name, words in choice(parser, helps, dest="verb").items():
            modules[name].add_arguments(words)

    def handle(self, **options: Any) -> None:
        terminal = Terminal(self.stdout, self.stderr, style=self.style)
        # A verb that needs the database tells itself what is wrong with its settings.
        with contextlib.suppress(Exception):
            connect_soon()
        try:
            # What a terminal says is in one language: most of it is not translated.
            with override("en"):
                _modules()[options["verb"]].run(options, terminal)
        except HoldfastError as error:
            raise CommandError(str(error)) from error
        except (OperationalError, ProgrammingError) as error:
            raise CommandError(
                f"The ledger's database refused: {str(error).strip()}. Is it up, and has `manage.py migrate` been run?"
            ) from error


def _modules() -> dict[str, Any]:
    names = sorted(found.name for found in iter_modules(verbs.__path__))
    return {name.replace("_", "-"): import_module(f"{verbs.__name__}.{name}") for name in names}
