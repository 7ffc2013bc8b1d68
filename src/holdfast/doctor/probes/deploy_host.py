"""The deployment checklist, beyond settings: files that others may read, keys in the repository, root, the database."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

from holdfast.doctor.findings import Finding, define
from holdfast.doctor.look import Look
from holdfast.doctor.probing import probe
from holdfast.doctor.wording import named

KEY_IN_REPOSITORY = define(
    "holdfast.E721",
    title="SECRET_KEY is in the repository",
    leads_to="Whoever can read the code can sign in as anybody, and sign tickets that workers run. It stays in the "
    "history after it is removed.",
    repair="Make a new one, give it by the environment, and let SECRET_KEY_FALLBACKS hold the old one for a while.",
)
AS_ROOT = define(
    "holdfast.E722",
    title="Workers may run as root",
    leads_to="Whoever gets a task to do something else does it with all rights of the host.",
    repair="Remove C_FORCE_ROOT, and start workers as a user of their own: User= of the unit, USER of the image.",
)
OPEN_FILE = define(
    "holdfast.W723",
    title="A file that holds data or keys is open to every user of the host",
    leads_to="They can read arguments and results of jobs, or the keys; or write jobs that workers run.",
    repair="chmod o-rwx FILE",
)
FLOWER_OPEN = define(
    "holdfast.W724",
    title="Flower is open to everybody who reaches it",
    leads_to="They see arguments, and can revoke tasks and shut workers down.",
    repair="FLOWER_BASIC_AUTH=user:password, or FLOWER_AUTH with a provider; remove FLOWER_UNAUTHENTICATED_API.",
)
DATABASE_IN_CLEAR = define(
    "holdfast.E725",
    title="The way to the database on another host may be in clear",
    leads_to="Whoever is in between reads arguments, results and the password.",
    repair='OPTIONS["sslmode"] = "verify-full" with OPTIONS["sslrootcert"], or at least "require".',
)
SUPERUSER = define(
    "holdfast.W726",
    title="The project uses the database as a superuser",
    leads_to="One injected statement reads every database of the server, and runs programs on its host. No limit of "
    "connections and no statement timeout of a role holds.",
    repair="CREATE ROLE project LOGIN; ALTER DATABASE NAME OWNER TO project; then USER of the alias.",
)
_HOME = {"", "localhost", "127.0.0.1", "::1"}
_MOST_BYTES = 1_000_000


@probe(area="deploy", finds=[KEY_IN_REPOSITORY], live=False, deploy=True, seconds=6.0)
def key_is_not_committed(look: Look) -> Iterator[Finding]:
    """Whether a file that git keeps has the key in it."""
    key = str(look.django.SECRET_KEY)
    if len(key) < 16:
        return  # said by another probe; so short a text is found everywhere
    found = [name for name in _tracked(look) if _holds(Path(look.surroundings.folder, name), key)]
    if found:
        yield KEY_IN_REPOSITORY.seen(f"It is in {named(found)}.", files=found[:20])


@probe(area="deploy", finds=[AS_ROOT, FLOWER_OPEN], live=False, deploy=True)
def environment_is_tight(look: Look) -> Iterator[Finding]:
    """What the environment allows that a deployment should not."""
    del look
    if os.environ.get("C_FORCE_ROOT", "").lower() not in {"", "0", "false", "no"}:
        yield AS_ROOT.seen("C_FORCE_ROOT is set.")
    flower = {name for name in os.environ if name.startswith("FLOWER_")}
    if not flower:
        return
    if os.environ.get("FLOWER_UNAUTHENTICATED_API", "").lower() in {"1", "true", "yes"}:
        yield FLOWER_OPEN.seen("FLOWER_UNAUTHENTICATED_API is set.")
    elif not flower & {"FLOWER_BASIC_AUTH", "FLOWER_AUTH", "FLOWER_AUTH_PROVIDER"}:
        yield FLOWER_OPEN.seen(
            f"{named(sorted(flower))} set, and neither FLOWER_BASIC_AUTH nor FLOWER_AUTH."
        )


@probe(area="deploy", finds=[OPEN_FILE], live=False, deploy=True)
def files_are_private(look: Look) -> Iterator[Finding]:
    """Who may read and write the ledger's file, the schedule and the files with keys."""
    candidates = {Path(look.surroundings.folder, name) for name in (".env", ".env.production")}
    if look.vendor == "sqlite":
        candidates.add(Path(str(look.connection.settings_dict["NAME"])))
    if schedule := look.conf.beat_schedule_filename:
        candidates.add(Path(look.surroundings.folder, str(schedule)))
    for path in sorted(candidates):
        try:
            mode = path.stat().st_mode
        except OSError:
            continue
        may = [
            word for bit, word in ((stat.S_IROTH, "read"), (stat.S_IWOTH, "write")) if mode & bit
        ]
        if may and stat.S_ISREG(mode) and _can_be_reached(path):
            yield OPEN_FILE.seen(
                f"Everybody may {' and '.join(may)} {path} ({stat.filemode(mode)}).",
                repair=f"chmod o-rwx {path}",
                about=str(path),
                file=str(path),
            )


@probe(area="deploy", finds=[DATABASE_IN_CLEAR], live=False, deploy=True)
def way_to_the_database_is_private(look: Look) -> Iterator[Finding]:
    """Whether the connection to a database on another host must be encrypted."""
    settings = look.connection.settings_dict
    host = str(settings.get("HOST") or "")
    mode = str(
        settings.get("OPTIONS", {}).get("sslmode") or os.environ.get("PGSSLMODE") or "prefer"
    )
    if look.vendor != "postgresql" or host in _HOME or host.startswith("/"):
        return
    if mode not in {"require", "verify-ca", "verify-full"}:
        yield DATABASE_IN_CLEAR.seen(f"HOST is {host}, sslmode is {mode}.", host=host, sslmode=mode)


@probe(area="deploy", finds=[SUPERUSER], after=["settings", "database"], deploy=True)
def database_role_is_modest(look: Look) -> Iterator[Finding]:
    """Whether the project's role may do everything on the server."""
    if look.vendor != "postgresql":
        return
    ((role, may_all),) = look.rows(
        "SELECT rolname, rolsuper FROM pg_roles WHERE rolname = current_user"
    )
    if may_all:
        yield SUPERUSER.seen(f"The role {role!r} is a superuser.", role=role)


def _tracked(look: Look) -> list[str]:
    """Return the files of the project that git keeps; none where it is no repository."""
    try:
        done = subprocess.run(
            ["git", "ls-files", "-z"],
            cwd=look.surroundings.folder,
            capture_output=True,
            timeout=look.seconds_left() / 2,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [name for name in done.stdout.decode(errors="replace").split("\0") if name]


def _holds(path: Path, key: str) -> bool:
    try:
        if not path.is_file() or path.stat().st_size > _MOST_BYTES:
            return False
        return key.encode() in path.read_bytes()
    except OSError:
        return False


def _can_be_reached(path: Path) -> bool:
    """Tell whether others can get into the folders that a file lies in."""
    return all(parent.stat().st_mode & stat.S_IXOTH for parent in path.resolve().parents)
