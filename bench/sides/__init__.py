"""The servers that are measured; each is a program of its own that takes its port as argument."""
