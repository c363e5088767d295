"""What people write who know other tools: the word that they mean here, or a sentence about it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping

_SCHEDULE = (
    "a rule has no schedule, it answers events: for a clock there are the Hub's own schedules"
)
_ON = "what sets a rule off stands in `on`: `on: [commit.pushed]`"
_RUN = "the job stands in `run`: `run: {image: python:3.12, command: [python, train.py]}`"
_NO_STEPS = "a job has no steps: `command` is one command, as in `command: [python, train.py]`"
_FLAVOR = "the hardware is a `flavor`, as in `flavor: a10g-small`"
_TIMEOUT = "write `timeout: 90` for seconds, or `timeout: 2h`"

# By block; "" is the rule itself, and what stands in `any`, `all` and `not`.
_KEYS: Mapping[str, Mapping[str, str]] = {
    "": {
        **dict.fromkeys("event events when trigger triggers webhook scope scopes".split(), _ON),
        **dict.fromkeys(
            "repo repository repositories".split(),
            'write `repos`, a list: `repos: ["dataset:acme/*"]`',
        ),
        **dict.fromkeys(
            "branch branches ref branches-ignore".split(), "write `refs`, a list: `refs: [main]`"
        ),
        **dict.fromkeys("job jobs action actions do steps".split(), _RUN),
        **dict.fromkeys("image command flavor timeout env secrets uses with".split(), _RUN),
        **dict.fromkeys("schedule cron every".split(), _SCHEDULE),
        **dict.fromkeys(
            "condition conditions filter filters where".split(), "write `if`, or `all`"
        ),
        **dict.fromkeys("test tests examples example".split(), "write `cases`"),
        **dict.fromkeys("name title".split(), "a rule has an `id` and a `description`"),
        **dict.fromkeys("watches watched".split(), 'write `watch`: `watch: ["org:acme"]`'),
        "and": "write `all`, a list of conditions",
        "or": "write `any`, a list of conditions",
        "tags-ignore": "write `refs` with `!`",
        "enabled": "to switch a rule off, take its file out of the folder",
    },
    "run": {
        **dict.fromkeys("steps uses with".split(), _NO_STEPS),
        **dict.fromkeys(
            "cmd script args arguments entrypoint run shell exec".split(),
            "write `command`, word by word: `command: [python, train.py]`",
        ),
        **dict.fromkeys("gpu hardware machine instance resources runs-on runs_on".split(), _FLAVOR),
        **dict.fromkeys(
            "docker docker_image dockerImage docker-image container space spaceId".split(),
            "write `image`: `image: python:3.12`, or the URL of a Space",
        ),
        **dict.fromkeys("environment envs environ variables vars".split(), "write `env`"),
        **dict.fromkeys(
            "timeoutSeconds timeout_seconds timeout-minutes timeout_minutes max_time".split(),
            _TIMEOUT,
        ),
        **dict.fromkeys("schedule cron".split(), _SCHEDULE),
    },
    "cases": {
        **dict.fromkeys("fire expect expected should_fire matches".split(), "write `fires: true`"),
        **dict.fromkeys("payload delivery given".split(), "write `event`"),
        "title": "write `name`",
        "jobs": "write `job`, which may be a list",
    },
    "comment": {
        **dict.fromkeys(
            "startswith startsWith prefix begins_with".split(),
            "write `starts_with`: `comment: {starts_with: /retrain}`",
        ),
        **dict.fromkeys(
            "contains regex pattern match content".split(),
            "write `matches`, a regular expression: `comment: {matches: retrain}`",
        ),
    },
}

EVENT_SLIPS: Mapping[str, str] = {
    **dict.fromkeys(
        "push pushes pushed commit commits commit.push commit.created repo.pushed repo.push "
        "content repo.content.update".split(),
        "commit.pushed",
    ),
    **dict.fromkeys("branch create.branch branch.create".split(), "branch.created"),
    **dict.fromkeys("tag tags release tag.pushed".split(), "tag.created"),
    **dict.fromkeys(
        "pr pull_request pull-request pr.created pr.create pr.open".split(), "pr.opened"
    ),
    **dict.fromkeys("merge merged pr.merge".split(), "pr.merged"),
    **dict.fromkeys("pull_request_target synchronize".split(), "pr.pushed"),
    **dict.fromkeys("issue issues discussions discussion.created".split(), "discussion.opened"),
    **dict.fromkeys(
        "comment comments issue_comment comment.posted comment.opened".split(), "comment.created"
    ),
    **dict.fromkeys("create created repo.create repository".split(), "repo.created"),
    **dict.fromkeys("delete deleted repo.delete".split(), "repo.deleted"),
    **dict.fromkeys("move moved rename renamed repo.renamed".split(), "repo.moved"),
    **dict.fromkeys("update updated".split(), "repo.updated"),
    **dict.fromkeys("upload file files file.changed bucket".split(), "files.changed"),
    **dict.fromkeys("public".split(), "repo.made_public"),
}
_CLOCKS = {"schedule", "cron", "workflow_dispatch", "manual", "timer"}


def about_key(key: str, block: str, known: Iterable[str]) -> str:
    """Return what to add to the sentence that there is no *key* in *block*; may be empty."""
    hint = _KEYS.get(block, {}).get(key)
    if hint:
        return f": {hint}"
    near = difflib.get_close_matches(key.lower(), list(known), n=1)
    return f"; did you mean `{near[0]}`?" if near else ""


def about_event(word: str) -> str:
    """Return what to add to the sentence that there is no event *word*; may be empty."""
    if word.lower() in _CLOCKS:
        return f": {_SCHEDULE}"
    meant = EVENT_SLIPS.get(word.lower())
    return f": write `{meant}`" if meant else ""
