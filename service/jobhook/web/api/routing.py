"""Find the operation that a path and a method mean."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from jobhook.web.api.faults import ApiError, Fault
from jobhook.web.api.operations import EVENTS, PREFIX, Operation


@dataclass(slots=True)
class _Node:
    """What may follow a part of a path; a name in braces stands for anything else."""

    parts: dict[str, _Node] = field(default_factory=dict)
    name: str = ""
    anything: _Node | None = None
    methods: dict[str, Operation] = field(default_factory=dict)

    def after(self, part: str) -> _Node:
        if not part.startswith("{"):
            return self.parts.setdefault(part, _Node())
        if self.anything is None:
            self.anything, self.name = _Node(), part[1:-1]
        if self.name != part[1:-1]:
            raise ValueError(f"{part} has two names")
        return self.anything


class Routes:
    """The tree of all paths."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        self._root = _Node()
        for operation in operations:
            node = self._root
            for part in operation.path.strip("/").split("/"):
                node = node.after(part)
            if operation.method in node.methods:
                raise ValueError(f"{operation.method} {operation.path} is there twice")
            node.methods[operation.method] = operation

    def find(self, method: str, path: str) -> tuple[Operation, Mapping[str, str]]:
        """
        Return what is asked for, and the parts of the path that name something.

        Raises:
            ApiError: There is no such path, or the method is another.
        """
        node, named = self._root, {}
        for part in path.removeprefix(PREFIX + "/").split("/") if self._is_ours(path) else ("",):
            if part in node.parts:
                node = node.parts[part]
            elif node.anything and part:
                named[node.name] = part
                node = node.anything
            else:
                raise ApiError(fault=Fault.NOT_FOUND, message="there is nothing at this path")
        return self._method(node, method), named

    @staticmethod
    def _is_ours(path: str) -> bool:
        return path.startswith(PREFIX + "/")

    @staticmethod
    def _method(node: _Node, method: str) -> Operation:
        known = dict(node.methods)
        if "GET" in known and known["GET"].media != EVENTS:
            known["HEAD"] = known["GET"]
        if method not in known:
            if not known:
                raise ApiError(fault=Fault.NOT_FOUND, message="there is nothing at this path")
            raise ApiError(
                fault=Fault.METHOD_NOT_ALLOWED,
                message=f"use {' or '.join(sorted(known))} here",
                headers={"allow": ", ".join(sorted(known))},
            )
        return known[method]
