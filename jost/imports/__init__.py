"""Imports: CSV files whose rows become contacts, each row once, whatever dies meanwhile."""
