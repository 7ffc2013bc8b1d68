"""Accounts: who signs up gets one mail with a link, and nobody learns from it who has signed up before."""
