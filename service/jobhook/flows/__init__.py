"""Floor 2: the story of a delivery, told with ports only."""
