"""
Templates: `${{ repo.name }}` in the values of a rule's `env` and `labels`, and nowhere else.

What a stranger wrote reaches a job as data only (reliability T15). So a template is a name out of a
fixed list and no expression, and what it stands for can neither be evaluated nor be too long.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator

from jobhook.core.errors import did_you_mean
from jobhook.core.jobs import ENV_STRING_MAX_BYTES, LABEL_MAX
from jobhook.core.strict import fault

# In the words of the payload, which are those of expressions.
WORDS = (
    "event.name event.scope event.action "
    "repo.id repo.type repo.name repo.owner repo.private repo.headSha "
    "ref.name ref.short ref.oldSha ref.newSha "
    "discussion.title discussion.num discussion.status discussion.isPullRequest "
    "discussion.authorId comment.content comment.hidden comment.authorId "
    "rule.id commit.message actor.name actor.role discussion.headSha"
).split()
# Those that the Hub is asked for first, and what is asked for in the words of `lookups`.
LOOKED_UP = {
    "commit.message": "commit",
    "actor.name": "actor",
    "actor.role": "actor.role",
    "discussion.headSha": "discussion.headSha",
}
# All that templates put into one job's environment: a process gets about 2 MiB, with the rest.
FILLED_MAX_BYTES = 512 * 1024

Values = Mapping[str, Mapping[str, object]]

_OPEN = "${{"
_TEMPLATE = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)
_UNFIT_IN_LABELS = re.compile(r"[^a-zA-Z0-9._-]")


def _known(text: str) -> str:
    if _OPEN in _TEMPLATE.sub("", text):
        raise fault("`${{` is not closed: write `${{ repo.name }}`", code="template")
    for inside in _TEMPLATE.findall(text):
        word = inside.strip()
        if word not in WORDS:
            hint = did_you_mean(word, WORDS) or f"; there are {', '.join(WORDS)}"
            raise fault(
                f"`${{{{ {word[:60]} }}}}` is no name that can be filled in{hint}", code="template"
            )
    return text


def _plain(text: str) -> str:
    if _OPEN in text:
        raise fault(
            "`${{ … }}` may stand in the values of `env` and `labels` only, so that what a "
            "stranger wrote reaches a job as data: put it into `env`, or read it from "
            "WEBHOOK_PAYLOAD",
            code="template",
        )
    return text


# A text in which templates may stand, and one in which they may not.
Templated = Annotated[str, AfterValidator(_known)]
Plain = Annotated[str, AfterValidator(_plain)]


def asks_of(template: str) -> Iterator[str]:
    """Yield what the Hub has to be asked for before *template* can be filled in."""
    for inside in _TEMPLATE.findall(template):
        if name := LOOKED_UP.get(inside.strip()):
            yield name


def render(template: str, values: Values) -> str:
    """Return *template* with what its names stand for; what did not come is the empty text."""
    return _TEMPLATE.sub(lambda match: _text(match[1].strip(), values), template)


def render_env(env: Mapping[str, str], values: Values) -> dict[str, str]:
    """Return *env* with its templates filled in, each cut at a character until it fits."""
    left, filled = FILLED_MAX_BYTES, {}
    for name, template in env.items():
        if _OPEN not in template:
            filled[name] = template
            continue
        room = min(ENV_STRING_MAX_BYTES - len(f"{name}=\0"), left)
        # No process can be given a NUL, and half a character is no text.
        raw = render(template, values).replace("\0", "").encode(errors="replace")
        filled[name] = raw[:room].decode(errors="ignore")
        left -= min(len(raw), room)
    return filled


def render_labels(labels: Mapping[str, str], values: Values) -> dict[str, str]:
    """Return *labels* with their templates filled in and made fit for the Hub."""
    return {
        key: _UNFIT_IN_LABELS.sub("-", render(value, values))[:LABEL_MAX]
        if _OPEN in value
        else value
        for key, value in labels.items()
    }


def _text(word: str, values: Values) -> str:
    above, _, name = word.partition(".")
    value: Any = values.get(above, {}).get(name)
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)
