"""A report as files: every line for a spreadsheet, its totals on paper."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from jost.spreadsheets import harmless

from .figures import Total, by_month, by_region, in_all
from .models import Report, ReportLine

if TYPE_CHECKING:
    from fpdf import FPDF

COLUMNS = ("month", "region", "category", "sales", "pieces", "amount", "customers")


def to_csv(lines: Iterable[ReportLine]) -> bytes:
    """A row for each line; amounts with two decimals."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for line in lines:
        month = f"{line.month:%Y-%m}"
        amount = f"{line.amount:.2f}"
        counts = (line.sales, line.pieces, amount, line.customers)
        writer.writerow((month, harmless(line.region), harmless(line.category), *counts))
    return text.getvalue().encode()


def to_pdf(report: Report, *, lines: Sequence[ReportLine]) -> bytes:
    """Totals by month and by region; the same report is the same bytes."""
    from fpdf import FPDF  # takes long to import, which web processes need not do

    pdf = FPDF()
    pdf.set_creation_date(report.asked_at)
    pdf.set_title(f"Sales from {report.since} to {report.until}")
    pdf.add_page()
    pdf.set_font("Helvetica", style="B", size=18)
    pdf.cell(0, 12, f"Sales from {report.since} to {report.until}", new_x="LMARGIN", new_y="NEXT")
    total = in_all(lines)
    pdf.set_font("Helvetica", size=11)
    told = f"{total.sales:,} sales of {total.pieces:,} pieces for {total.amount:,.2f}"
    pdf.cell(0, 8, told, new_x="LMARGIN", new_y="NEXT")
    _table(pdf, "Month", rows=by_month(lines))
    _table(pdf, "Region", rows=by_region(lines))
    return bytes(pdf.output())


def _table(pdf: FPDF, heading: str, *, rows: Iterable[Total]) -> None:
    pdf.ln(6)
    pdf.set_font("Helvetica", size=10)
    with pdf.table(text_align=("LEFT", "RIGHT", "RIGHT", "RIGHT")) as table:
        table.row((heading, "Sales", "Pieces", "Amount"))
        for each in rows:
            counts = (f"{each.sales:,}", f"{each.pieces:,}", f"{each.amount:,.2f}")
            table.row((_printable(each.name), *counts))


def _printable(text: str) -> str:
    """What the fonts of every PDF reader have: Latin-1. The CSV has the name as it is."""
    return text.encode("latin-1", errors="replace").decode("latin-1")
