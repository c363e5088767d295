"""What a job may be, and what is said when it may not."""

from __future__ import annotations

from typing import Any

import pytest

from jobhook.devhub.jobspec import JobBody
from jobhook.devhub.wire import Refusal, checked

SPEC: dict[str, Any] = {"dockerImage": "i", "command": ["true"], "flavor": "cpu-basic"}
VOLUME = {"type": "model", "source": "acme/m", "mountPath": "/data"}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        pytest.param({"command": []}, "command", id="no-command"),
        pytest.param({"command": [""]}, "command.0", id="empty-word"),
        pytest.param({"command": "true"}, "command", id="command-no-list"),
        pytest.param({"command": ["a\0b"]}, "command.0", id="nul"),
        pytest.param({"dockerImage": None}, "dockerImage and spaceId", id="no-image"),
        pytest.param({"spaceId": "a/b"}, "dockerImage and spaceId", id="two-images"),
        pytest.param({"flavor": "abacus"}, "flavor", id="unknown-flavor"),
        pytest.param({"flavor": None}, "flavor", id="no-flavor"),
        pytest.param({"environment": {"A": "1"}}, "environment", id="env-name-too-short"),
        pytest.param({"environment": {"_AB": "1"}}, "environment", id="env-name-underscore"),
        pytest.param({"environment": {"AB": 1}}, "environment.AB", id="env-value-number"),
        pytest.param({"secrets": {"1A": "x"}}, "secrets", id="secret-name"),
        pytest.param({"timeoutSeconds": 0}, "timeoutSeconds", id="timeout-zero"),
        pytest.param({"timeoutSeconds": 1.5}, "timeoutSeconds", id="timeout-fraction"),
        pytest.param({"timeoutSeconds": True}, "timeoutSeconds", id="timeout-bool"),
        pytest.param({"attempts": 0}, "attempts", id="attempts-zero"),
        pytest.param({"labels": {"a b": "x"}}, "labels", id="label-key"),
        pytest.param({"labels": {"a": "x" * 101}}, "labels.a", id="label-value"),
        pytest.param({"expose": {"ports": [0]}}, "expose.ports.0", id="port-zero"),
        pytest.param({"expose": {"ports": [1], "portsPublic": [2]}}, "portsPublic", id="public"),
        pytest.param({"volumes": []}, "volumes", id="no-volumes"),
        pytest.param({"volumes": [{**VOLUME, "type": "disk"}]}, "volumes.0.type", id="volume-type"),
        pytest.param({"volumes": [{**VOLUME, "source": ""}]}, "volumes.0.source", id="source"),
        pytest.param({"volumes": [{**VOLUME, "mountPath": "d"}]}, "volumes.0.mountPath", id="path"),
        pytest.param({"volumes": [{"type": "model"}]}, "volumes.0.source", id="no-source"),
        pytest.param({"ssh": {"enabled": "yes"}}, "ssh.enabled", id="ssh"),
        pytest.param({"network": {"group": "G"}}, "network.group", id="network-group"),
        pytest.param({"network": {"group": "g" * 47}}, "network.group", id="network-group-long"),
        pytest.param(
            {"network": {"group": "g", "aliases": ["a_b"]}}, "network.aliases.0", id="alias"
        ),
        pytest.param({"resourceGroupId": "x"}, "resourceGroupId", id="group"),
    ],
)
def test_a_wrong_body_is_refused_with_the_field_named(change: dict[str, Any], named: str) -> None:
    with pytest.raises(Refusal) as refusal:
        checked(JobBody, {**SPEC, **change})
    assert refusal.value.status == 400
    assert named in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_what_is_told_again_is_without_defaults() -> None:
    assert checked(JobBody, SPEC).to_wire() == {
        **SPEC,
        "arguments": [],
        "environment": {},
        "timeout": 1800,
        "retry": 0,
    }


def test_secrets_are_not_in_the_repr() -> None:
    assert "hunter2" not in repr(checked(JobBody, {**SPEC, "secrets": {"S": "hunter2"}}))
