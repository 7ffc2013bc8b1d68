"""What the guide to queues shows is what happens."""

from __future__ import annotations

from holdfast.testing.services import RedisServer
from tests.docs.pages import ROOT, examples
from tests.surroundings import current_app

BLOCKS = examples(ROOT / "docs" / "guides" / "queues.md", language="python")


def test_example_of_the_guide_to_queues_runs(ledger: str, redis_server: RedisServer) -> None:
    with current_app(f"{redis_server.url.rpartition('/')[0]}/10"):
        exec(compile(BLOCKS[-1], "docs/guides/queues.md", "exec"), {})
