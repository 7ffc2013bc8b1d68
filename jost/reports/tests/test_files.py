"""What stands in the files of a report; `manage.py test reports` runs this file."""

from __future__ import annotations

import csv
import re
import zlib
from decimal import Decimal

from jost.reports import making
from jost.reports.models import Report

from .test_reports import ReportCase

_STREAM = re.compile(rb"stream\r?\n(.*?)\r?\nendstream", re.DOTALL)
_TEXT = re.compile(rb"\(((?:[^()\\]|\\.)*)\) ?Tj")


def rows_of(report: Report) -> list[dict[str, str]]:
    content = bytes(report.files.get(kind="csv").content).decode()
    return list(csv.DictReader(content.splitlines()))


def texts_of(report: Report) -> list[str]:
    """Every text of the PDF, in its order."""
    content = bytes(report.files.get(kind="pdf").content)
    pages = [zlib.decompress(stream) for stream in _STREAM.findall(content)]
    return [text.decode("latin-1") for page in pages for text in _TEXT.findall(page)]


class Files(ReportCase):
    def test_page_csv_and_pdf_tell_the_same_sums(self) -> None:
        report = self.made()
        page = self.client.get(f"/reports/{report.pk}/").context

        rows, texts = rows_of(report), texts_of(report)

        amount = sum(Decimal(row["amount"]) for row in rows)
        self.assertEqual(amount, page["total"].amount)
        self.assertEqual(sum(int(row["sales"]) for row in rows), page["total"].sales)
        self.assertIn(f"4 sales of 8 pieces for {amount:,.2f}", texts)
        for _, totals in page["tables"]:
            for total in totals:
                at = texts.index(total.name)
                told = [f"{total.sales:,}", f"{total.pieces:,}", f"{total.amount:,.2f}"]
                self.assertEqual(texts[at + 1 : at + 4], told)

    def written(self, *, region: str) -> Report:
        """A report whose first line is about a region of this name."""
        report = self.made()
        report.lines.filter(pk=report.lines.earliest("pk").pk).update(region=region)
        making.render(report.pk)
        return report

    def test_name_beyond_the_letters_of_a_pdf_stops_no_report(self) -> None:
        report = self.written(region="\u0141\u00f3d\u017a")

        self.assertIn("\u0141\u00f3d\u017a", [row["region"] for row in rows_of(report)])
        self.assertIn("?\u00f3d?", texts_of(report))

    def test_no_cell_begins_a_formula(self) -> None:
        report = self.written(region="=1+1")

        self.assertIn("'=1+1", [row["region"] for row in rows_of(report)])
