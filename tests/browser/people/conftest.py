"""JOST with a shop, leads and accounts; in place of the console's site."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.browser.served import JostGround

# As of the modules beside this package.
collect_ignore_glob = [] if os.environ.get("TEST_BROWSER") else ["test_*.py"]


@pytest.fixture(scope="session")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JostGround]:
    """The site of all tests here; what one of them changes is its own."""
    from tests.browser.people.seed import IMPORTS, SEED
    from tests.browser.served import served_jost

    with served_jost(tmp_path_factory.mktemp("jost"), seed=SEED, imports=IMPORTS) as ground:
        yield ground


@pytest.fixture(autouse=True)
def well_behaved(ground: JostGround) -> None:
    """Gateways begin each test without what another one told them."""
    for kind in ("charges", "refunds", "mail", "sms", "crm"):
        ground.outside.tell(kind, delay_seconds=0, declines=0, fails=0)
