"""Repos on the Hub, as far as a push, and finding out who made one, need them."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from urllib.parse import quote

from jobhook.core.errors import HubBusy, OutcomeUnknown
from jobhook.hub.models import CommitInfo
from jobhook.hub.reading import read_commit
from jobhook.hub.transport import HubTransport


class ReposApi:
    """Making a repo, committing to it, and looking at its commits."""

    transport: HubTransport

    async def create_repo(self, name: str, *, repo_type: str, private: bool = False) -> None:
        """Create the repo *name* (`owner/name`); raises `HubRefused` if it exists."""
        organization, _, short = name.rpartition("/")
        body = {"name": short, "organization": organization, "type": repo_type, "private": private}
        await self.transport.change("POST", "/api/repos/create", json_body=body)

    async def create_commit(
        self,
        name: str,
        files: Mapping[str, bytes],
        *,
        repo_type: str,
        message: str,
        branch: str = "main",
    ) -> str:
        """Commit small *files* (path → content) to *branch* and return the new sha."""
        lines: list[dict[str, object]] = [
            {"key": "header", "value": {"summary": message, "description": ""}}
        ]
        lines += [
            {
                "key": "file",
                "value": {
                    "path": path,
                    "content": base64.b64encode(content).decode(),
                    "encoding": "base64",
                },
            }
            for path, content in files.items()
        ]
        answer = await self.transport.change(
            "POST",
            f"/api/{repo_type}s/{name}/commit/{branch}",
            content=b"\n".join(json.dumps(line).encode() for line in lines),
            content_type="application/x-ndjson",
        )
        try:
            return str(answer.body["commitOid"])
        except (KeyError, TypeError) as exc:
            raise OutcomeUnknown(f"the Hub's answer to the commit to {name} names no sha") from exc

    async def commit(self, name: str, revision: str, *, repo_type: str) -> CommitInfo:
        """Return the newest commit of *revision*; `HubNotFound` if there is none for us to see."""
        path = f"/api/{repo_type}s/{quote(name)}/commits/{quote(revision, safe='')}"
        answer = await self.transport.get(path, [("limit", "1")])
        try:
            return read_commit(answer.body[0])
        except (LookupError, TypeError, AttributeError) as exc:
            raise HubBusy(f"the Hub's list of the commits of {name} cannot be read") from exc
