"""What looks like a secret, and what only does at first sight."""

from __future__ import annotations

import hashlib

import pytest

from jobhook.core.tokens import holds_token, looks_secret

A = "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
TOKENS = {
    "hub": f"hf_{A}",
    "jobhook": f"jh_{A}-_{A[:5]}",
    "github": f"ghp_{A}",
    "github-app": f"ghs_{A}",
    "github-fine": f"github_pat_{A}_{A}",
    "gitlab": f"glpat-{A[:20]}",
    "openai": f"sk-{A}",
    "openai-project": f"sk-proj-{A}",
    "anthropic": f"sk-ant-api03-{A}",
    "aws": "AKIAIOSFODNN7EXAMPLE",
    "google": f"AIza{A[:35]}",
    "npm": f"npm_{A}",
    "slack-bot": f"xoxb-{A[:12]}-{A}",
    "slack-app": f"xoxp-{A[:12]}",
    "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N",
    "private-key": "-----BEGIN RSA PRIVATE KEY-----\nMIIE",
    "private-key-short": "-----BEGIN PRIVATE KEY-----",
    "password-in-a-url": "postgresql://app:hunter2@db.example.com/app",
}


@pytest.mark.parametrize("token", TOKENS.values(), ids=TOKENS)
def test_the_shape_of_a_known_token_is_seen_under_any_name(token: str) -> None:
    assert holds_token(token)
    assert looks_secret("GREETING", f"Bearer {token} and more")


@pytest.mark.parametrize(
    "name", ["TOKEN", "API_KEY", "MY_SECRET", "DB_PASSWORD", "wandb_api_key", "APIKEY", "S3_KEY"]
)
@pytest.mark.parametrize(
    "value",
    [
        A,
        "dGhpcyBpcyBub3QgYSBzZWNyZXQ0Mg" + A,
        hashlib.sha256(b"x").hexdigest(),
        f"Bearer {A}",
    ],
)
def test_what_is_like_drawn_by_lot_is_seen_under_the_name_of_a_secret(
    name: str, value: str
) -> None:
    assert looks_secret(name, value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATASET_REVISION", hashlib.sha256(b"x").hexdigest()),
        ("REVISION", hashlib.sha1(b"x", usedforsecurity=False).hexdigest()),
        ("DATASET_REVISION", f"https://huggingface.co/datasets/acme/d/resolve/{'a1' * 20}/x.csv"),
        ("MODEL", "meta-llama/Llama-3.2-1B-Instruct"),
        ("TOKENIZER", "bert-base-uncased2024abcdefgh1"),
        ("MAX_TOKENS", "4096"),
        ("TOKEN", "${{ repo.name }}"),
        ("TOKEN_LIMIT", A),
        ("SECRET", "no"),
        ("API_KEY", "the-name-of-the-key-in-the-vault"),
        ("SSH_KEY", "/run/secrets/ssh_host_ed25519_key"),
        ("PRIMARY_KEY", "customer2024identifier99"),
        ("TOKEN", "12345678901234567890"),
        ("API_KEY", "theNameOfTheKeyInTheVault"),
        ("CACHE_KEY", hashlib.sha256(b"x").hexdigest()),
        ("KEYWORDS", A),
        ("PASSWORD", "aaaaaaaaaaaaaaaaaaaaaaaa1"),
        ("URL", "https://example.com:8080/a@b"),
        ("URL", "ssh://git@github.com/acme/x"),
        ("EMAIL", "ops@example.com"),
        ("NOTE", "ask-sk-and-hf_transfer, task-list-of-things-to-do-for-us-all"),
        ("CERT", "-----BEGIN CERTIFICATE-----"),
        ("GREETING", "AKIA is a name"),
    ],
)
def test_what_tells_nobody_a_secret_is_let_pass(name: str, value: str) -> None:
    assert not looks_secret(name, value)
