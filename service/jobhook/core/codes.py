"""
What `jobhook rules check` can find, by code: what it means, and a wrong and a right example.

The codes are words, because people read them, and they stay as they are, because programs do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

ERROR, WARNING, NOTE = "error", "warning", "note"
COST = "launch-cost"


@dataclass(frozen=True, slots=True)
class Code:
    """
    A kind of problem.

    Attributes:
        severity: `error`, which keeps the rules from being loaded, `warning` or `note`.
        meaning: One paragraph.
        wrong: A piece of a rule file that has the problem; empty where none can be shown.
        right: The same piece without it.
    """

    severity: str
    meaning: str
    wrong: str = ""
    right: str = ""


_FILES: Mapping[str, Code] = {
    "unreadable-file": Code(
        ERROR,
        "The file cannot be read as text: it is not there, no regular file, not UTF-8, or over "
        "256 KiB.",
    ),
    "not-yaml": Code(
        ERROR,
        "The text is no YAML, so nothing below the place was read. Most often a bracket or a quote "
        "is not closed, or a line stands too far left or right.",
        "on: [commit.pushed",
        "on: [commit.pushed]",
    ),
    "yaml-tab": Code(
        ERROR,
        "A line begins with a tab. YAML counts spaces only: put two spaces for each level.",
        "run:\n\timage: python:3.12",
        "run:\n  image: python:3.12",
    ),
    "yaml-unquoted": Code(
        ERROR,
        "A text begins with a character that means something to YAML (`*`, `!`, `&`, `@`, `%`, a "
        "backtick), or holds `: ` or a quote where YAML does not expect it. Put it in quotes.",
        "refs: [!tmp-1, *]",
        'refs: ["!tmp-1", "*"]',
    ),
    "yaml-feature": Code(
        ERROR,
        "The file uses what rule files do without: anchors and aliases, tags, several documents in "
        "one file, keys that are no text, or over 32 levels. Write plain data, one rule a file.",
        "env: &shared {EPOCHS: \"3\"}",
        'env: {EPOCHS: "3"}',
    ),
    "duplicate-key": Code(
        ERROR,
        "A key stands twice in one block. YAML would keep one of them and say nothing.",
        "refs: [main]\nrefs: [dev]",
        "refs: [main, dev]",
    ),
    "no-rule": Code(
        ERROR,
        "The file holds no block of `key: value` lines, so it is no rule.",
        "- commit.pushed",
        "on: [commit.pushed]",
    ),
    "id-mismatch": Code(
        ERROR,
        "A rule's `id` is the name of its file without the ending, so that a rule is found by its "
        "id. Rename one of the two.",
        "id: retrain-nightly  # in retrain.yaml",
        "id: retrain  # in retrain.yaml",
    ),
    "duplicate-id": Code(
        ERROR,
        "Two files, in different folders, hold rules with the same `id`. Launches are named after "
        "it, so each rule needs its own.",
    ),
}  # fmt: skip

_SHAPES: Mapping[str, Code] = {
    "unknown-key": Code(
        ERROR,
        "The language has no such key in this block. It is refused, because a key that is ignored "
        "in silence is a rule that does something else than its author thinks.",
        "branches: [main]",
        "refs: [main]",
    ),
    "reserved-key": Code(
        ERROR,
        "The key is a word of the language that this version cannot carry out yet. It is refused "
        "rather than ignored, because ignoring a limit costs money.",
        "debounce: {quiet: 10m}",
    ),
    "missing-key": Code(
        ERROR,
        "A block lacks a key that it cannot do without: a rule has `id`, `on` and `run`; a case "
        "has "
        "`name` and `fires`.",
        "run: {image: python:3.12}",
        "run: {image: python:3.12, command: [python, train.py]}",
    ),
    "bad-type": Code(
        ERROR,
        "A value is not of the kind that its key takes: a text where a list belongs, a number "
        "where "
        "a text belongs, a list where a block belongs. Numbers that are meant as text need quotes.",
        "command: python train.py",
        "command: [python, train.py]",
    ),
    "empty-value": Code(
        ERROR,
        "A key stands there without anything. Nobody can tell whether that means all or nothing: "
        "remove the key, or say what it wants.",
        "refs: []",
        "refs: [main]",
    ),
    "too-many": Code(ERROR, "A list has more items than are allowed: a rule launches 25 jobs at "
    "most."),
    "bad-value": Code(ERROR, "A value is not one that its key takes; the sentence says why."),
    "bad-id": Code(
        ERROR,
        "An `id` has lower-case letters, digits and `-`, 63 at most.",
        "id: Retrain_Nightly",
        "id: retrain-nightly",
    ),
}  # fmt: skip

_VALUES: Mapping[str, Code] = {
    "unknown-event": Code(
        ERROR,
        "There is no such event. The events are those of the table in `rules/README.md`, and the "
        "Hub's own scopes, also with their action.",
        "on: [push]",
        "on: [commit.pushed]",
    ),
    "bad-watch": Code(
        ERROR,
        "An item of `watch` is `type:name`: a user, an org, or one repo.",
        "watch: [acme]",
        'watch: ["org:acme"]',
    ),
    "unknown-repo-type": Code(
        ERROR,
        "A pattern in `repos` begins with a type of repo (`model`, `dataset`, `space`, `bucket`, "
        "`kernel`), or `*` for any.",
        'repos: ["datasets:acme/*"]',
        'repos: ["dataset:acme/*"]',
    ),
    "bad-pattern": Code(
        ERROR,
        "A pattern that can match nothing, or is no pattern: `repos` have `type:owner/name`, and "
        "`**` stands alone between slashes.",
        'repos: ["acme/*"]',
        'repos: ["*:acme/*"]',
    ),
    "bad-expression": Code(
        ERROR,
        "The expression is no CEL, names what is not there, mixes types, or is not true or false "
        "in "
        "the end; or the regular expression is no RE2. Nothing that can be known now is left to "
        "fail when a delivery comes.",
        "if: repo.privat",
        "if: repo.private",
    ),
    "bad-timeout": Code(
        ERROR,
        "A `timeout` is a number of seconds, or a number with s, m, h or d.",
        "timeout: 2 hours",
        "timeout: 2h",
    ),
    "bad-job": Code(
        ERROR,
        "The Hub would refuse the job: a name in `env` or `secrets` that it does not take, an "
        "empty "
        "word in `command`, a value that is too long.",
        'env: {MY-VAR: "1"}',
        'env: {MY_VAR: "1"}',
    ),
    "bad-script": Code(
        ERROR,
        "The `script` of `uv` is an https URL, or a file in the rules folder that ends in `.py`, "
        "can be "
        "read, and is short enough to travel with the job.",
        "uv: {script: train.sh}",
        'uv: {script: "https://example.org/train.py"}',
    ),
    "template": Code(
        ERROR,
        "A `${{ … }}` stands where none is allowed, or holds no name that can be filled in. What a "
        "stranger wrote reaches a job as data only: templates stand in the values of `env` and "
        "`labels`, and the job finds all of the delivery in its variable `WEBHOOK_PAYLOAD`.",
        'command: [python, train.py, "${{ repo.name }}"]',
        'env: {REPO: "${{ repo.name }}"}',
    ),
    "reserved-name": Code(
        ERROR,
        "A name in `env` or `secrets` is taken: those with `WEBHOOK_` and `JOBHOOK_` are injected "
        "into every job, and one name stands in one of the two only.",
        "env: {WEBHOOK_REPO_ID: x}",
        "env: {REPO: x}",
    ),
    "secret-in-env": Code(
        ERROR,
        "A value in `env`, or a word of what runs, looks like a token or a password, and everybody "
        "who may see the job can read it. "
        "Name it in `secrets`: the service hands over its `JOBHOOK_SECRET_<NAME>`.",
        "env: {HF_TOKEN: hf_exampleexampleexample}",
        "secrets: [HF_TOKEN]",
    ),
    "secrets-to-strangers": Code(
        ERROR,
        "Anybody who sees the repo can set the rule off, and its job gets secrets. Drop them, or "
        "say "
        "`trust_strangers: true` if the job runs no foreign code.",
        "on: [pr.opened]\nrun: {image: a, command: [b], secrets: [HF_TOKEN]}",
        "on: [pr.opened]\nrun: {image: a, command: [b]}",
    ),
    "case-fails": Code(
        ERROR,
        "An example of the rule does not hold: it fires or does not, for another reason, or with "
        "another job than it says. Either the rule or the example is wrong.",
    ),
}

_ADVICE: Mapping[str, Code] = {
    "no-watch": Code(
        WARNING,
        "The rule does not say what it watches, so no webhook is registered for it. It fires for "
        "whatever other rules or somebody else lets the Hub deliver.",
        "on: [commit.pushed]",
        'watch: ["org:acme"]\non: [commit.pushed]',
    ),
    "dead-rule": Code(
        WARNING,
        "The rule can never fire, whatever comes: its conditions contradict one another.",
        "on: [repo.created]\nrefs: [main]",
        "on: [commit.pushed]\nrefs: [main]",
    ),
    "no-firing-case": Code(
        WARNING,
        "No example shows the rule firing, so nothing would tell you that it never does.",
        "cases: []",
        "cases:\n  - {name: a push, fires: true}",
    ),
    "unknown-flavor": Code(
        WARNING,
        "The flavor has no price that is known here. If the Hub names no price for it "
        "either, every launch is held.",
        "flavor: a10-small",
        "flavor: a10g-small",
    ),
    "gpu-without-timeout": Code(
        WARNING,
        "A job on a GPU says no `timeout`, so the default of 30m holds: too short for most "
        "trainings, which are then paid for and lost, or longer than a job that hangs should cost.",
        "flavor: a10g-small",
        "flavor: a10g-small\ntimeout: 2h",
    ),
    "over-budget": Code(
        WARNING,
        "One launch of the rule may cost more than a rule may spend in a day "
        "(`JOBHOOK_RULE_USD_PER_DAY`). Money is reserved before a launch, so every one "
        "would wait until it expires: take a shorter `timeout` or a cheaper flavor, or raise the "
        "limit.",
        "flavor: h200x8\ntimeout: 2h",
        "flavor: h200\ntimeout: 50m",
    ),
    "missing-secret": Code(
        WARNING,
        "The environment has `JOBHOOK_SECRET_…` variables, and none for this secret: every launch "
        "would be held. It is looked at only where at least one is set.",
    ),
}

_NOTES: Mapping[str, Code] = {
    COST: Code(
        NOTE,
        "What one launch of the rule costs at most: for each of its jobs the published price of "
        "the "
        "flavor times the `timeout`, in whole minutes. It is told, and nothing is wrong.",
    ),
}

CODES: Mapping[str, Code] = {**_FILES, **_SHAPES, **_VALUES, **_ADVICE, **_NOTES}


def described(name: str, code: Code) -> str:
    """Return all there is to say of a code, as a section in Markdown."""
    parts = [f"## {name}", f"{code.severity.capitalize()}. {code.meaning}"]
    for title, example in (("Wrong", code.wrong), ("Right", code.right)):
        if example:
            parts.append(f"{title}:\n\n```yaml\n{example}\n```")
    return "\n\n".join(parts) + "\n"
