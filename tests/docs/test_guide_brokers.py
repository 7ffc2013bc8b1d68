"""What the guide to brokers shows is what happens."""

from __future__ import annotations

from holdfast.ledger.models import Job
from holdfast.testing.services import free_port
from tests.docs.pages import ROOT, examples
from tests.surroundings import current_app

BLOCKS = examples(ROOT / "docs" / "guides" / "brokers.md", language="python")


def test_example_of_the_guide_to_brokers_runs(ledger: str) -> None:
    with current_app(f"redis://127.0.0.1:{free_port()}/0"):
        exec(compile(BLOCKS[-1], "docs/guides/brokers.md", "exec"), {})
    assert [job.hold for job in Job.objects.using(ledger).all()] == ["relay"]
