"""Repos on the Hub, as far as a push needs them."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping

from jobhook.core.errors import OutcomeUnknown
from jobhook.hub.transport import HubTransport


class ReposApi:
    """Making a repo and committing to it."""

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
