"""Orders: stock that is reserved, money that is taken once, and what becomes of both when something dies."""
