"""What is called how on the ground of these tests; for settings too, so that nothing is imported here."""

from __future__ import annotations

# A queue that no worker takes from, and one that is paused.
UNSERVED, PAUSED = "returns", "night shift"
# One of the settings, and one that somebody has added.
RULE, ADDED = "dead letters", "old returns"
