"""Every page: its links lead somewhere, the tests and files it names exist, its examples are Python."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.pages import (
    ROOT,
    anchors,
    examples,
    existing_tests,
    links,
    name,
    named_tests,
    pages,
    paths_named,
)

every_page = pytest.mark.parametrize("page", pages(), ids=name)


@every_page
def test_links_lead_somewhere(page: Path) -> None:
    for target in links(page):
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f"{name(page)} links to {target}, which is not there"
        if anchor and file.suffix == ".md":
            assert anchor in anchors(file), f"{name(page)}: no heading {anchor!r} in {name(file)}"


@every_page
def test_tests_that_are_named_exist(page: Path) -> None:
    missing = named_tests(page) - existing_tests()
    assert not missing, f"{name(page)} names tests that are not there: {sorted(missing)}"


@every_page
def test_files_that_are_named_exist(page: Path) -> None:
    missing = {path for path in paths_named(page) if not (ROOT / path).exists()}
    assert not missing, f"{name(page)} names files that are not there: {sorted(missing)}"


@every_page
def test_python_examples_compile(page: Path) -> None:
    for example in examples(page, language="python"):
        compile(example, name(page), "exec")


def test_the_pages_of_the_repository_are_found() -> None:
    found = {name(page) for page in pages()}
    assert {"README.md", "ARCHITECTURE.md", "docs/guarantees.md", "docs/runbook.md"} <= found
