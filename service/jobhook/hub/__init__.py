"""Floor 1: a client of the Hub, a library of its own. It imports nothing of ours but `core`."""
