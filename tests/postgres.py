"""A real PostgreSQL for the tests: a cluster of its own for the session, a fresh database each."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import canaries
from ports import free_port

# Set by CI. It has none of the prefixes that tests are kept clean of.
REQUIRED = "REQUIRE_POSTGRES"
MISSING_POOLER = "no PgBouncer here: install it (`apt-get install pgbouncer`) to run this"
MISSING = "no PostgreSQL here: install it (`apt-get install postgresql`) to run this"
OLDEST = 15
USER = "jobhook"

_CONFIG = """
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = '{folder}'
fsync = on
synchronous_commit = on
max_connections = 200
shared_buffers = 64MB
"""

_POOLER_CONFIG = """
[databases]
* = host=127.0.0.1 port={server}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = plain
auth_file = {folder}/users
pool_mode = transaction
default_pool_size = 4
max_client_conn = 200
# Each test has a database of its own, and so connections that nobody needs after it.
server_idle_timeout = 10
"""


def find_binaries() -> Path | None:
    """The folder with `initdb` and `pg_ctl` of the newest PostgreSQL that is new enough."""
    found = list(Path("/usr/lib/postgresql").glob("*/bin"))
    on_path = shutil.which("initdb")
    folders = [Path(on_path).resolve().parent] if on_path else []
    folders += sorted(found, key=lambda folder: float(folder.parent.name), reverse=True)
    return next((folder for folder in folders if _version(folder) >= OLDEST), None)


def unprivileged() -> dict[str, Any]:
    """How to start a process that refuses to run as root, which CI often is."""
    if os.getuid():
        return {}
    return {"user": "postgres", "group": "postgres", "extra_groups": []}


class Cluster:
    """A running PostgreSQL."""

    def __init__(self, binaries: Path, folder: Path) -> None:
        self.binaries = binaries
        self.folder = folder
        self.port = free_port()
        self.password = canaries.DATABASE
        self._numbers = itertools.count(1)

    def url(self, database: str, port: int | None = None) -> str:
        return f"postgresql://{USER}:{self.password}@127.0.0.1:{port or self.port}/{database}"

    def create(self, template: str = "template0") -> str:
        """Make a database and return its name."""
        name = f"t{next(self._numbers)}"
        self.sql(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def sql(self, statement: str, database: str = "postgres") -> str:
        """Run one statement as the superuser and return what it says."""
        return self.run(
            "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", statement, self.url(database)
        )

    def terminate(self, url: str) -> None:
        """Kill every connection to the database of *url*."""
        self.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"  # noqa: S608
            f" WHERE datname = '{url.rpartition('/')[2]}' AND pid != pg_backend_pid()"
        )

    def restart(self) -> None:
        """Restart it as if it had crashed."""
        self.run("pg_ctl", "restart", "--mode=immediate", "--wait", *self._data)

    def stop(self) -> None:
        # Nobody will look at it again: nothing of it needs to reach the disk.
        self.run("pg_ctl", "stop", "--mode=immediate", "--wait", *self._data)

    def start(self) -> None:
        self.run("pg_ctl", "start", "--wait", *self._data, f"--log={self.folder / 'log'}")

    def make(self) -> None:
        secret = self.folder / "password"
        secret.write_text(self.password)
        options = ("--auth=scram-sha-256", f"--pwfile={secret}", f"--username={USER}")
        self.run("initdb", "--no-sync", "--encoding=UTF8", "--locale=C", *options, *self._data)
        with (self.folder / "data" / "postgresql.conf").open("a") as config:
            config.write(_CONFIG.format(port=self.port, folder=self.folder))

    @property
    def _data(self) -> tuple[str, str]:
        return "-D", str(self.folder / "data")

    def run(self, program: str, *words: str) -> str:
        # What it prints goes to a file: the server keeps the pipe of whoever started it open.
        with tempfile.TemporaryFile() as output:
            done = subprocess.run(
                [self.binaries / program, *words],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                check=False,
                **unprivileged(),
            )
            output.seek(0)
            said = output.read().decode()
        if done.returncode:
            raise RuntimeError(f"{program} failed: {said}")
        return said


@contextmanager
def running_cluster(binaries: Path) -> Iterator[Cluster]:
    """Make a cluster in a folder of its own, and leave nothing of it."""
    # Not below pytest's own folder, which only its owner may enter.
    with tempfile.TemporaryDirectory(prefix="jobhook-postgres-") as path:
        cluster = Cluster(binaries, Path(path))
        if owner := unprivileged().get("user"):
            shutil.chown(path, owner)
        cluster.make()
        cluster.start()
        try:
            yield cluster
        finally:
            cluster.stop()


def find_pooler() -> str | None:
    """PgBouncer, which Debian keeps where only root looks."""
    return shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


@contextmanager
def running_pooler(program: str, cluster: Cluster) -> Iterator[int]:
    """Run PgBouncer in transaction mode before *cluster*, and yield its port."""
    port = free_port()
    folder = cluster.folder / "pooler"
    folder.mkdir()
    (folder / "users").write_text(f'"{USER}" "{cluster.password}"\n')
    config = folder / "pgbouncer.ini"
    config.write_text(_POOLER_CONFIG.format(server=cluster.port, port=port, folder=folder))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [program, config], stdin=subprocess.DEVNULL, stdout=log, stderr=log, **unprivileged()
        )
    try:
        _await_port(port, process)
        yield port
    finally:
        process.terminate()
        process.wait()


def _await_port(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.02)
    raise RuntimeError("PgBouncer did not start")


def _version(folder: Path) -> int:
    said = subprocess.run([folder / "initdb", "--version"], capture_output=True, check=True).stdout
    (number,) = re.findall(rb"PostgreSQL\) (\d+)", said)
    return int(number)
