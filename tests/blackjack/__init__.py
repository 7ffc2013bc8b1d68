"""The engine and the exact calculator, played and counted against each other and what is published."""
