"""`python -m jobhook` is `jobhook`."""

from jobhook.cli import main

main()
