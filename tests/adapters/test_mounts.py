from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from jobhook.adapters.mounts import filesystem_of, is_remote

MOUNTINFO = r"""
21 26 0:20 / /proc rw,relatime shared:5 - proc proc rw
26 1 252:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw,errors=remount-ro
30 26 0:25 / /data rw,relatime - nfs4 server:/export rw,vers=4.2
31 30 0:26 / /data/local rw,relatime shared:7 master:2 - xfs /dev/vdb rw
32 26 0:27 / /mnt/my\040share rw - cifs //host/share rw
33 26 0:28 / /bucket rw - fuse.hf-mount hf-mount rw
34 26 0:29 / /twice rw - ext4 /dev/vdc rw
35 34 0:30 / /twice rw - overlay overlay rw
broken line
""".lstrip()


@pytest.mark.parametrize(
    ("path", "filesystem"),
    [
        pytest.param("/var/lib/jobhook.db", "ext4", id="the root"),
        pytest.param("/data/jobhook.db", "nfs4", id="a mount"),
        pytest.param("/data/local/jobhook.db", "xfs", id="a mount in a mount"),
        pytest.param("/database/jobhook.db", "ext4", id="a name that only begins alike"),
        pytest.param("/mnt/my share/jobhook.db", "cifs", id="a space in the name"),
        pytest.param("/bucket/a/b.db", "fuse.hf-mount", id="fuse"),
        pytest.param("/twice/jobhook.db", "overlay", id="the upper of two mounts"),
    ],
)
def test_a_path_is_on_the_innermost_mount(path: str, filesystem: str) -> None:
    assert filesystem_of(PurePosixPath(path), MOUNTINFO) == filesystem


def test_nothing_is_known_without_mounts() -> None:
    assert filesystem_of(PurePosixPath("/a"), "") is None


@pytest.mark.parametrize("filesystem", "nfs nfs4 cifs smb3 fuse fuse.sshfs 9p ceph lustre".split())
def test_what_a_network_or_a_process_serves_is_remote(filesystem: str) -> None:
    assert is_remote(filesystem)


@pytest.mark.parametrize("filesystem", "ext4 xfs btrfs zfs overlay tmpfs fuseblk".split())
def test_a_disk_of_this_machine_is_not(filesystem: str) -> None:
    assert not is_remote(filesystem)
