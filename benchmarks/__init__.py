"""Holdfast measured against plain Celery: `python -m benchmarks.run`."""
