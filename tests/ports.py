"""Ports for processes that are started a little later, and again and again."""

from __future__ import annotations

import itertools
import os
import socket

# Below those from which systems take the ports of outgoing connections: one of thousands of
# these would be on it by the time it is listened on.
_FIRST, _LAST = 20_000, 32_000
# Processes that were started one after the other, as the workers of a suite are, begin far from one
# another: the golden section of the range keeps any few of them apart.
_offsets = itertools.count(os.getpid() * 7417)


def free_port() -> int:
    """Return a port of this machine that nobody listens on, each time another one."""
    for offset in _offsets:
        port = _FIRST + offset % (_LAST - _FIRST)
        try:
            with socket.create_server(("127.0.0.1", port)):
                return port
        except OSError:
            continue
    raise AssertionError("there are no more ports")
