"""Databases that campaigns begin with."""

from __future__ import annotations

import sqlite3

import asyncpg

from jobhook.database import Database
from jobhook.settings import Settings
from jobhook.stores import Bells, open_store


def database(url: str) -> Database:
    return Settings.from_env({"JOBHOOK_DATABASE": url, "HF_HOME": "/nonexistent"}).database


async def make_old(url: str) -> None:
    """
    Make the database, as one that was made long ago.

    A young one looks for a job before it starts one, which would hide what else goes wrong.
    """
    made = database(url)
    async with open_store(made, Bells()):
        pass
    if made.path:
        connection = sqlite3.connect(made.path)
        connection.execute("UPDATE epoch SET began_at = 0")
        connection.commit()
        connection.close()
        made.path.with_name(f"{made.path.name}.sums").unlink()
    else:
        server = await asyncpg.connect(url)
        await server.execute("UPDATE epoch SET began_at = 0")
        await server.close()
