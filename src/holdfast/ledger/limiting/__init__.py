"""Limits: who takes part, who waits, and who is let in."""
