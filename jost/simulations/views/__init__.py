"""The pages of the simulations, a module for each kind; web process."""
