"""Django system checks; they touch no network."""
