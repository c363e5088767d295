"""Floor 0: what jobhook decides. No network, files, clock, environment or logging."""
