"""What Redis holds: the only package that speaks to the broker itself."""
