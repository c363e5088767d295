"""
What the flows need from the world, in their own words, with what may fail.

Whoever implements one of these keeps the promises written here; the contract suite checks it. What
only those need who show something is in `ports.records`, which a service does not load to start.
"""

from jobhook.ports.access import AccessReads, AccessStore
from jobhook.ports.changes import Changes
from jobhook.ports.clock import Clock
from jobhook.ports.hub import Hub
from jobhook.ports.meter import NO_METER, Meter
from jobhook.ports.store import Reads, Store

__all__ = [
    "NO_METER",
    "AccessReads",
    "AccessStore",
    "Changes",
    "Clock",
    "Hub",
    "Meter",
    "Reads",
    "Store",
]
