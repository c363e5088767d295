"""Migrations on SQLite that are ended in the middle, in real processes."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path

import pytest

from jobhook.adapters import sqlite_migrations
from jobhook.adapters.sqlite_files import close_writer, open_reader, open_writer

SHIPPED = Path(str(sqlite_migrations._MIGRATIONS))
NAMES = sorted(path.name for path in SHIPPED.glob("*.sql"))
# Opens the database in a child that dies after the nth statement, for every n, until one lives.
KILLED_AT_EACH = """
import itertools, os, shutil, sys
from pathlib import Path
from jobhook import failpoints
from jobhook.adapters.sqlite_files import close_writer, open_writer

path = Path(sys.argv[1])
shutil.copytree(path.parent, path.parent.with_name("at-first"))
for number in itertools.count():
    shutil.rmtree(path.parent)
    shutil.copytree(path.parent.with_name("at-first"), path.parent)
    child = os.fork()
    if not child:
        left = itertools.count(number, -1)
        failpoints.arm("store.migrating", lambda: next(left) or os._exit(9))
        close_writer(open_writer(path), path)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    close_writer(open_writer(path), path)
    if code == 0:
        print(number)
        break
    assert code == 9, code
"""


def made_by_an_older_one(path: Path, done: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that knows only the first *done* migrations, with a delivery in it."""
    older = path.parent.with_name("older")
    older.mkdir()
    for name in NAMES[:done]:
        (older / name).write_text((SHIPPED / name).read_text())
    with monkeypatch.context() as context:
        context.setattr(sqlite_migrations, "_MIGRATIONS", older)
        connection = open_writer(path)
        connection.execute(
            "INSERT INTO delivery (id, source, key, received_at, state, body)"
            " VALUES ('d1', 'hub', 'w1', 1, 'stored', x'00')"
        )
        close_writer(connection, path)


@pytest.mark.parametrize("done", range(len(NAMES)))
def test_a_migration_that_was_killed_is_done_by_the_next_start(
    tmp_path: Path, done: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "here" / "jobhook.db"
    path.parent.mkdir()
    if done:
        made_by_an_older_one(path, done, monkeypatch)
    line = [sys.executable, "-c", KILLED_AT_EACH, str(path)]
    ran = subprocess.run(line, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert int(ran.stdout) >= len(NAMES) - done
    with contextlib.closing(open_reader(path)) as connection:
        names = [row["name"] for row in connection.execute("SELECT name FROM migration")]
        deliveries = connection.execute("SELECT count(*) FROM delivery").fetchone()[0]
    assert sorted(names) == NAMES
    assert deliveries == (1 if done else 0)


def test_nothing_is_there_until_it_is_all_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "jobhook.db"

    def stop() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sqlite_migrations, "failpoint", lambda name: stop())
    with pytest.raises(KeyboardInterrupt):
        open_writer(path)
    assert not path.exists()
    monkeypatch.undo()
    open_writer(path).close()
    assert {file.name for file in tmp_path.iterdir()} == {"jobhook.db", "jobhook.db.sums"}
