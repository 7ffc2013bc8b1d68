"""JOST on one machine by one command: its database and Redis beside it, all processes under one runner."""
