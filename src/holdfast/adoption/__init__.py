"""What a project that runs plain Celery has to change to run on Holdfast: read from its files; none of it is run."""
