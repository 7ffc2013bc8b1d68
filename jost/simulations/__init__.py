"""Blackjack simulations as background jobs: engine, jobs, pages, REST and command line."""
