"""Who may run now, and what may be done again: rules that bodies and calls ask the ledger to keep."""
