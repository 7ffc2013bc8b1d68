"""The command line: `manage.py holdfast <verb>`."""
