"""How the ledger is reached: threads, forks, turns and waits of its database connections."""
