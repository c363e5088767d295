"""Floor 3: HTTP. What comes in from the network and how it is answered."""
