"""Asks the doctor on a network that nobody else is on, where any address may be ours; runs as a process of its own.

python -m tests.doctor.broker.elsewhere FOLDER HOST [OPTION ...]
"""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from holdfast.testing.services import RedisServer, free_port
from tests.doctor.broker.clinic import Clinic

PUBLIC, PRIVATE = "8.8.8.8", "10.9.8.7"


def main(folder: Path, host: str, *options: str) -> None:
    """Print the ids of what is found of a Redis on all addresses of this network, or of none (`nobody`)."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for address in (PUBLIC, PRIVATE):
        subprocess.run(["ip", "address", "add", f"{address}/32", "dev", "lo"], check=True)
    port = free_port()
    with ExitStack() as stack:
        if "nobody" not in options:
            open_to_all = ["--bind", "0.0.0.0", "--maxmemory", "200mb", *options]
            stack.enter_context(RedisServer(folder / "redis", port, options=open_to_all))
        broker = f"redis://{host}:{port}/0"
        seen = Clinic(folder).doctor("--only", "broker", "--only", "W352", broker=broker)
    sys.stdout.write(" ".join(sorted(seen.ids)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
