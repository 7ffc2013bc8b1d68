"""HOLDFAST["deploy"]: what a project says itself of its deployment; everything in it is optional."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any

from holdfast.deploy.description import KINDS
from holdfast.deploy.description import VARIABLES as SERVED
from holdfast.exceptions import ConfigurationError

# Names of containers, of Kubernetes objects and of processes of Heroku alike.
_NAME = re.compile(r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?")
# Services of Compose and processes of the other tools, which a pool of the same name would replace without a word.
RESERVED = frozenset(
    {
        *("postgres", "redis", "redis-cache", "migrate", "release", "install"),
        *("app", "web", "beat", "scheduler"),
        *("app-dev", "app-debug", "worker-debug"),
        *("flower", "metrics", "prometheus", "alertmanager", "grafana"),
    }
)
Check = tuple[Callable[[Any], bool], str]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0


def _is_whole(value: Any) -> bool:
    return _is_number(value) and isinstance(value, int)


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(one, str) and one for one in value)


def _is_command(value: Any) -> bool:
    return _is_list(value) and bool(value)


def _is_dictionary(value: Any) -> bool:
    return isinstance(value, Mapping) and all(isinstance(key, str) for key in value)


def _is_pair(value: Any) -> bool:
    return (
        isinstance(value, list | tuple)
        and len(value) == 2
        and all(_is_whole(one) for one in value)
        and value[0] >= value[1]
    )


TEXT: Check = (lambda value: isinstance(value, str), "a text")
FILLED: Check = (lambda value: isinstance(value, str) and bool(value.strip()), "a text")
NAME: Check = (
    lambda value: isinstance(value, str) and bool(_NAME.fullmatch(value)),
    "lower-case letters, digits and dashes, at most 40, and begin with a letter",
)


def _all_of(pattern: str) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and bool(re.fullmatch(pattern, value))


# What units, shells and YAML would all take for something else is no part of a path or a name.
WORD: Check = (_all_of(r"""[^\s'"\\$`;]+"""), "one word, without quotes, backslash, $, ` and ;")
PATH: Check = (
    _all_of(r"/[A-Za-z0-9._/-]+"),
    "an absolute path of letters, digits, dots, dashes and underscores",
)
USER: Check = (
    _all_of(r"[a-z_][a-z0-9_-]{0,31}"),
    "a user's name: lower-case letters, digits, - and _, at most 32",
)
HOST: Check = (
    _all_of(r"(\*\.)?[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?"),
    "one name of a host, such as 'shop.example.com', without https:// and port",
)
VERSION: Check = (_all_of(r"3\.\d+"), "a version of Python such as '3.12'")
PORT: Check = (lambda value: _is_whole(value) and value < 65536, "a port, 1 to 65535")
NAMES: Check = (
    lambda value: _is_list(value) and all(map(VARIABLE[0], value)),
    "a list of names of variables, in capitals",
)
VARIABLE: Check = (
    lambda value: isinstance(value, str) and bool(re.fullmatch(r"[A-Z][A-Z0-9_]*", value)),
    "a name of a variable, in capitals",
)
NUMBER: Check = (_is_number, "a number greater than 0")
WHOLE: Check = (_is_whole, "a whole number greater than 0")
YES: Check = (lambda value: isinstance(value, bool), "True or False")
LIST: Check = (_is_list, "a list of texts")
COMMAND: Check = (_is_command, "a command as a list of its words")
VARIABLES: Check = (
    lambda value: (
        _is_dictionary(value)
        and all(re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) for name in value)
        and all(isinstance(one, str) and "\n" not in one for one in value.values())
    ),
    "a dictionary of names of variables (letters, digits and _) and texts of one line each",
)
READ: Check = (
    lambda value: (
        _is_dictionary(value)
        and value.keys() <= set(SERVED)
        and all(name == "" or VARIABLE[0](name) for name in value.values())
    ),
    f"a dictionary with keys out of {', '.join(SERVED)}, and names of variables in capitals, or ''",
)
DICTIONARY: Check = (_is_dictionary, "a dictionary")
PAIR: Check = (_is_pair, "two whole numbers, the larger one first, such as (10, 2)")
KIND: Check = (lambda value: value in KINDS, f"one of {', '.join(KINDS)}")

PROJECT: dict[str, Check] = {
    "name": NAME,
    "app": WORD,
    "settings": WORD,
    "pools": DICTIONARY,
    "web": DICTIONARY,
    "scheduler": DICTIONARY,
    "image": DICTIONARY,
    "monitoring": DICTIONARY,
    "environment": VARIABLES,
    "variables": READ,
    "env_file": WORD,
    "secrets": NAMES,
    "task_events": YES,
    "folder": PATH,
    "user": USER,
    "host": HOST,
    "workspace_settings": WORD,
    "nix_port_variable": VARIABLE,
}
POOL: dict[str, Check] = {
    "queues": COMMAND,
    "pool": KIND,
    "concurrency": WHOLE,
    "autoscale": PAIR,
    "cpus": NUMBER,
    "memory_mib": WHOLE,
    "grace_seconds": WHOLE,
    "minimum": WHOLE,
    "maximum": WHOLE,
    "per_worker": WHOLE,
}
WEB: dict[str, Check] = {
    "command": COMMAND,
    "port": PORT,
    "cpus": NUMBER,
    "memory_mib": WHOLE,
    "grace_seconds": WHOLE,
    "live_path": WORD,
    "ready_path": WORD,
    "connections": WHOLE,
}
SCHEDULER: dict[str, Check] = {"cpus": NUMBER, "memory_mib": WHOLE}
IMAGE: dict[str, Check] = {
    "name": WORD,
    "python": VERSION,
    "requirements": TEXT,
    "package": LIST,
    "install": FILLED,
    "static": YES,
    "build_environment": VARIABLES,
    "data": TEXT,
}
MONITORING: dict[str, Check] = {
    "address": FILLED,
    "slack": FILLED,
    "pagerduty": YES,
    "webhook": FILLED,
    "token": VARIABLE,
    "port": PORT,
}
_PARTS = {"web": WEB, "scheduler": SCHEDULER, "image": IMAGE, "monitoring": MONITORING}
WHERE = "HOLDFAST['deploy']"


def checked(raw: Any) -> Mapping[str, Any]:
    """Return what was said, or nothing.

    Raises:
        ConfigurationError: for an unknown key, with the nearest known one, or a value of another kind.
    """
    if raw is None:
        return {}
    _require(raw, PROJECT, WHERE)
    for part, known in _PARTS.items():
        _require(raw.get(part, {}), known, f"{WHERE}[{part!r}]")
    for name, pool in raw.get("pools", {}).items():
        if not NAME[0](name):
            raise ConfigurationError(f"{WHERE}['pools'] has {name!r}: a name must be {NAME[1]}")
        if name in RESERVED:
            raise ConfigurationError(
                f"{WHERE}['pools'] has {name!r}, which is the name of another process of every deployment: call it "
                f"'worker-{name}'"
            )
        _require(pool, POOL, f"{WHERE}['pools'][{name!r}]")
    return dict(raw)


def _require(raw: Any, known: Mapping[str, Check], where: str) -> None:
    if not _is_dictionary(raw):
        raise ConfigurationError(f"{where} is {raw!r}: it must be a dictionary")
    for key, value in raw.items():
        if key not in known:
            near = get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(known)}"
            raise ConfigurationError(f"{where}[{key!r}] is not known: {hint}")
        fits, kind = known[key]
        if not fits(value):
            raise ConfigurationError(f"{where}[{key!r}] is {value!r}: it must be {kind}")
