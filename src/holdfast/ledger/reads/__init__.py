"""What is asked of the ledger; nothing here moves a job."""
