"""Leads, and the messages that those get who stay in one status for too long."""
