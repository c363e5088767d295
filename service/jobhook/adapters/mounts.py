"""What kind of file system a path is on, read from the text of `/proc/self/mountinfo`."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

# They answer an fsync, or share a file between machines, in ways that SQLite must not rely on.
_REMOTE = frozenset(
    "9p acfs afs beegfs ceph cifs coda davfs fuse gfs gfs2 glusterfs gpfs lustre ncpfs nfs nfs4 "
    "ocfs2 orangefs panfs prl_fs pvfs2 smb2 smb3 smbfs vboxsf virtiofs vmhgfs".split()
)
_ESCAPED = re.compile(r"\\([0-7]{3})")


def filesystem_of(path: PurePosixPath, mountinfo: str) -> str | None:
    """Return the type of the file system that the absolute *path* is on, or None if unknown."""
    found: tuple[int, str | None] = (0, None)
    for line in mountinfo.splitlines():
        left, dash, right = line.partition(" - ")
        fields = left.split()
        if not dash or len(fields) < 5 or not right.split():
            continue
        point = PurePosixPath(_ESCAPED.sub(lambda code: chr(int(code[1], 8)), fields[4]))
        # Of mounts on the same point the last one is seen.
        if path.is_relative_to(point) and len(point.parts) >= found[0]:
            found = len(point.parts), right.split()[0]
    return found[1]


def is_remote(filesystem: str) -> bool:
    """Return whether files of that type are kept by somebody else: network, FUSE, host folders."""
    return filesystem in _REMOTE or filesystem.startswith("fuse.")
