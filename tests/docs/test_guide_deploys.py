"""What the guides to deploys and to typed arguments show is what happens."""

from __future__ import annotations

import re
from types import ModuleType

import pytest

from holdfast.management.verbs import drain, signatures
from tests.docs.pages import ROOT, examples
from tests.harness import new_site

pytestmark = pytest.mark.short_on("sqlite")

GUIDES = ROOT / "docs" / "guides"
both = pytest.mark.parametrize("kind", ["sqlite", "postgres"])


@both
def test_example_of_the_guide_to_deploys_runs(kind: str, request: pytest.FixtureRequest) -> None:
    with new_site(kind, request) as site:
        printed = site.python(examples(GUIDES / "deploys.md", language="python")[-1])
        assert site.counts() == {"cancelled": 1}
    assert "BREAKS try.ship(order): it is not given, and has no default" in printed
    assert "BREAKS try.ship(order_id): it is given, and there is no such parameter" in printed
    assert "refused: The code does not fit what was called: 1 job that waits would break" in printed
    assert printed.rstrip().endswith("Nothing breaks.")


@both
def test_example_of_the_guide_to_typed_arguments_runs(
    kind: str, request: pytest.FixtureRequest
) -> None:
    with new_site(kind, request) as site:
        printed = site.python(examples(GUIDES / "typed-arguments.md", language="python")[-1])
        assert site.jobs() == {}
    assert (
        "Task 'try.send_parcel': its parameter 'parcel' got a dict, which does not fit" in printed
    )


@both
def test_calls_of_the_guide_to_typed_arguments_end_as_it_says(
    kind: str, request: pytest.FixtureRequest
) -> None:
    task, calls, _ = examples(GUIDES / "typed-arguments.md", language="python")
    good, bad = calls.rstrip().rsplit("\n", 1)
    said = f"{task}\n{good}\ntry:\n    {bad}\nexcept TypeError as refused:\n    print(refused)\n"
    with new_site(kind, request) as site:
        printed = site.python(said)
        assert site.counts() == {"queued": 2}
    (shown,) = examples(GUIDES / "typed-arguments.md", language="text")
    ending = "lines.0.quantity: Input should be greater than 0. Send what the annotation says"
    assert ending in printed
    assert ending in " ".join(shown.split())


@pytest.mark.parametrize("verb", [signatures, drain])
def test_every_flag_of_the_commands_is_in_the_guide(verb: ModuleType) -> None:
    name = verb.__name__.rpartition(".")[2]
    source = (ROOT / "src/holdfast/management/verbs" / f"{name}.py").read_text()
    flags = set(re.findall(r'"(--[a-z-]+)"', source))
    assert flags
    assert {flag for flag in flags if flag not in (GUIDES / "deploys.md").read_text()} == set()
