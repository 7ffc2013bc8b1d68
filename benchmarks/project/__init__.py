"""The project that is measured: the same tasks under plain Celery and under Holdfast."""
