"""What a soak is held to: one rule for each way in which a promise would be seen broken."""

from tests.chaos.rules.table import RULES, Rule, judged, measured

__all__ = ["RULES", "Rule", "judged", "measured"]
