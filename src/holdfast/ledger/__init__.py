"""What is true: the only package that touches the ledger's tables."""
