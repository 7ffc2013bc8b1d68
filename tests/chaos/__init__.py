"""The promises under real faults: real workers, a real Redis, a real database, and a record of effects beside them."""
