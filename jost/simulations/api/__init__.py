"""The simulations over REST; runs in the web process."""
