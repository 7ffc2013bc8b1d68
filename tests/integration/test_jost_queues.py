"""JOST's queues on real workers: what is urgent is done while what may wait waits for another worker."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.eventually import eventually
from tests.jost_site import jost_and_gateways

pytestmark = pytest.mark.slow

IMPORTS = (
    "from datetime import date; from decimal import Decimal; import holdfast;"
    "from jost.leads import services as leads; from jost.orders import checkout;"
    "from jost.orders.models import Order, Product; from jost.reports import making;"
    "from jost.reports.models import Report; from jost.reports.periods import Period"
)
YEAR = "Period(since=date(2026, 1, 1), until=date(2026, 12, 31))"
TEA = "Product.objects.create(name='Tea', price=Decimal('4.50'), stock=9)"
ORDER = f"checkout.place({{{TEA}.pk: 1}}, email='ada@example.com', key='one').pk"
STATES = "[[each.state for each in kind.objects.all()] for kind in (Order, Report)]"


def test_order_is_paid_while_reports_and_leads_wait_for_another_worker(
    private_directory: Path, tmp_path: Path
) -> None:
    with jost_and_gateways(tmp_path, redis=private_directory) as (site, outside):
        asked = [*[f"making.ask({YEAR}).pk"] * 3, "leads.add_lead('+4930123456').pk", ORDER]
        site.ask(f"[{', '.join(asked)}]", imports=IMPORTS)

        site.worker(queues=["critical"])
        eventually(lambda: outside.totals("mail")["effects"] == 1, told="the receipt is there")
        eventually(
            lambda: site.ask(STATES, imports=IMPORTS) == [["confirmed"], ["queued"] * 3],
            told="the order is confirmed, and no report is begun",
            every=0.5,
        )
        assert outside.totals("crm")["effects"] == 0

        site.worker(queues=["low-priority", "io"])
        eventually(lambda: outside.totals("crm")["effects"] == 1, told="the CRM knows")
        eventually(
            lambda: site.ask(STATES, imports=IMPORTS) == [["confirmed"], ["succeeded"] * 3],
            told="the reports are made",
            every=0.5,
        )
