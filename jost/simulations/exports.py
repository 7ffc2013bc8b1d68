"""A run's answer as files: its true counts for a spreadsheet, all of it as JSON."""

import csv
import io
import json
from typing import Any

COLUMNS = (
    "true_count",
    "rounds",
    "share",
    "share_low",
    "share_high",
    "ev",
    "ev_standard_error",
    "ev_low",
    "ev_high",
    "sd",
    "units",
    "played",
    "kelly",
)


def counts_csv(answer: dict[str, Any]) -> str:
    """A line for each true count, lowest first; empty cells for what cannot be said."""
    stakes = {row["true_count"]: row for row in (answer["bets"] or {}).get("stakes", [])}
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\r\n")
    writer.writeheader()
    for row in answer["per_true_count"]:
        stake = stakes.get(row["true_count"], {})
        share_low, share_high = row["share_95"]
        ev_low, ev_high = row["ev_95"] or (None, None)
        line = row | {
            "share_low": share_low,
            "share_high": share_high,
            "ev_low": ev_low,
            "ev_high": ev_high,
            "units": stake.get("units"),
            "played": stake.get("played"),
            "kelly": stake.get("kelly"),
        }
        writer.writerow({column: line[column] for column in COLUMNS})
    return text.getvalue()


def payoffs_csv(answer: dict[str, Any]) -> str:
    """A line for each payoff of a spot: how often it came, with the interval of its share."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(("payoff", "spots", "share", "share_low", "share_high"))
    for row in answer["payoffs"] or []:
        share = row["share"]
        writer.writerow((row["payoff"], row["spots"], share["value"], share["low"], share["high"]))
    return text.getvalue()


def to_json(answer: dict[str, Any]) -> str:
    """The whole answer; equal answers are equal texts."""
    return json.dumps(answer, indent=2, allow_nan=False) + "\n"
