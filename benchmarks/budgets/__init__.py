"""What a job may cost, counted and not timed: `python -m benchmarks.budgets`."""
