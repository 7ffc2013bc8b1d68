"""The documentation is checked like code: its links, names, examples and tables."""
