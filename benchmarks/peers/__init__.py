"""Holdfast and plain Celery beside other systems, on one stand: `make bench-peers`."""
