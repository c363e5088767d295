"""Floor 2: the world, one module for each outside thing. It cannot see the flows."""
