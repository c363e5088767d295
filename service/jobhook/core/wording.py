"""What pydantic finds in a rule, in the words of someone who writes YAML: a `Mistake`."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jobhook.core.actions import Action, NetworkBlock, VolumeBlock
from jobhook.core.conditions import CommentCondition, Conditions
from jobhook.core.errors import did_you_mean
from jobhook.core.examples import ActorBlock, Case, CommitBlock, FileBlock
from jobhook.core.expressions import CONTEXT, LISTS
from jobhook.core.rules import RESERVED_KEYS, Rule
from jobhook.core.slips import EVENT_SLIPS, about_event, about_key
from jobhook.core.strict import Strict
from jobhook.core.uv import Uv

Keys = tuple[str | int, ...]

_SHOWN = 60
_BLOCKS: Mapping[str, type[Strict]] = {
    "": Rule,
    "run": Action,
    "uv": Uv,
    "volumes": VolumeBlock,
    "network": NetworkBlock,
    "cases": Case,
    "files": FileBlock,
    "actor": ActorBlock,
    "commit": CommitBlock,
    "comment": CommentCondition,
    "any": Conditions,
    "all": Conditions,
    "not": Conditions,
}
_CONDITIONS = {"any", "all", "not"}
_CODES = {
    "missing": "missing-key",
    "extra_forbidden": "unknown-key",
    "string_pattern_mismatch": "bad-id",
    "too_short": "empty-value",
    "too_long": "too-many",
}
_BLOCK = "must be a block of `key: value` lines"
_SENTENCES = {
    "string_type": "must be text; put it in quotes: {quoted}",
    "string_pattern_mismatch": "{value} must be lower-case letters, digits and `-`, 63 at most",
    "bool_type": "must be true or false",
    "dict_type": _BLOCK,
    "model_type": _BLOCK,
    "model_attributes_type": _BLOCK,
    "tuple_type": "must be a list: [{yaml}]",
    "too_short": "needs at least one item",
    "too_long": "has too many items",
    "int_type": "must be a whole number",
}
# What is missing may look like this.
_EXAMPLES = {
    "id": "retrain-on-data",
    "on": "[commit.pushed]",
    "run": "{image: python:3.12, command: [python, train.py]}",
    "image": "python:3.12",
    "command": "[python, train.py]",
    "fires": "true",
    "name": "a push to our data",
}
_TRUTH = {"yes": "true", "on": "true", "no": "false", "off": "false"}
# A text that YAML reads as text without quotes, even within brackets.
_PLAIN = re.compile(r"[A-Za-z_/.][A-Za-z0-9_./+=-]*")
_NO_TEXT = {"true", "false", "null"}
_FIELD = re.compile(r"undefined field '(\w+)' not found in struct '(\w+)'")
_OWNERS = ("user:", "org:", "repo:", "!user:", "!org:", "!repo:")
_NAME = re.compile(r"undeclared reference to '([\w.]+)'")


@dataclass(frozen=True, slots=True)
class Mistake:
    """
    One thing that is wrong with a rule.

    Attributes:
        keys: Where, as the model has it: in `run` there is always a list.
        code: One of `jobhook.core.codes`.
        within: The line and column in the text that stands there, from 1, where that is known.
    """

    keys: Keys
    code: str
    message: str
    within: tuple[int, int] | None = None


def place_of(error: Any) -> Keys:
    """Return the keys of what pydantic's *error* is about."""
    return (*error["loc"], *error.get("ctx", {}).get("at", ()))


def mistake_of(error: Any) -> Mistake:
    """Return what pydantic's *error* is to the author of a rule."""
    keys, kind, value = error["loc"], error["type"], error["input"]
    if kind == "rule":
        return _fault(error)
    if kind == "extra_forbidden":
        return _unknown_key(keys, value)
    code = _CODES.get(kind, "bad-type" if kind.endswith("_type") else "bad-value")
    if not keys:
        return Mistake((), "no-rule", f"the file holds no rule: it {_BLOCK}")
    if kind == "missing":
        return Mistake(keys[:-1], code, _missing(str(keys[-1])))
    sentence = _shape(keys, kind, value) or _table_sentence(error)
    return Mistake(keys, code, f"{_named(keys)} {sentence}")


def _missing(key: str) -> str:
    example = _EXAMPLES.get(key)
    return f"`{key}` is missing" + (f": write, for instance, `{key}: {example}`" if example else "")


def _table_sentence(error: Any) -> str:
    if error["type"] == "literal_error":
        return f"must be {error['ctx']['expected']}"
    sentence = _SENTENCES.get(error["type"])
    if sentence is None:
        return str(error["msg"]).lower()
    value = error["input"]
    return sentence.format(value=_shown(repr(value)), quoted=_quoted(value), yaml=_yaml(value))


def _fault(error: Any) -> Mistake:
    context, value = error["ctx"], error["input"]
    code, message = context["code"], context["message"]
    if code == "unknown-event" and (about := about_event(str(value))):
        message = f"there is no event {value!r}{about}"
    if code == "unknown-repo-type" and str(value).startswith(_OWNERS):
        message += ": for all repos of an owner write `*:owner/*`"
    if code == "bad-watch" and isinstance(value, dict):
        message = f"must be text; put it in quotes: {_quoted(value)}"
    if code == "bad-expression":
        message += _about_expression(str(value), message)
    # What says itself which key it is about.
    name = "" if " is missing" in message else _named(error["loc"])
    place = place_of(error)
    return Mistake(place, code, f"{name}: {message}" if name else message, context["within"])


def _unknown_key(keys: Keys, value: object) -> Mistake:
    key, blocks = str(keys[-1]), [str(key) for key in keys[:-1] if key in _BLOCKS]
    block = blocks[-1] if blocks else ""
    known = [field.alias or name for name, field in _BLOCKS[block].model_fields.items()]
    about = about_key(key, "" if block in _CONDITIONS else block, known)
    if key in RESERVED_KEYS and not about.startswith(":"):
        return Mistake(
            keys,
            "reserved-key",
            f"`{key}` is a word of the language that this version cannot carry out yet: remove it",
        )
    return Mistake(keys, "unknown-key", f"there is no key `{_shown(key)}` here{about}")


def _shape(keys: Keys, kind: str, value: object) -> str | None:
    """Return the sentence about a value of a wrong kind where the key tells what is meant."""
    key, text = str(keys[-1]), value if isinstance(value, str) else None
    if key == "command" and text and "${{" in text:
        return (
            "must be a list, word by word, and no template may stand in it: put that into `env`, "
            'as in `command: [sh, -c, \'echo "$REPO"\']` and `env: {REPO: "${{ repo.name }}"}`'
        )
    if key == "command" and text:
        return f"must be a list, word by word: {_words(text)}"
    if key == "on" and text:
        return f"must be a list: [{_yaml(EVENT_SLIPS.get(text.lower(), text))}]"
    if key == "on" and isinstance(value, dict):
        return (
            "must be a list of events, as in `on: [commit.pushed]`; branches go into `refs`, as in "
            "`refs: [main]`"
        )
    if keys[0] == "run" and (kind.startswith("model") or (key, kind) == ("run", "tuple_type")):
        return "must be a job, as in `run: {image: python:3.12, command: [python, train.py]}`"
    if key == "secrets" and isinstance(value, dict):
        return "must be a list of names, as in `secrets: [HF_TOKEN]`: the service has the values"
    if key == "env" and isinstance(value, list):
        return 'must be a block, as in `env: {EPOCHS: "3"}`'
    if key in {"any", "all"} and isinstance(value, dict):
        return (
            f"must be a list, with a `-` before each condition, as in `{key}: [{{refs: [main]}}]`"
        )
    if kind == "bool_type" and text and text.lower() in {*_TRUTH, "true", "false"}:
        return f"must be true or false; write `{key}: {_TRUTH.get(text.lower(), text.lower())}`"
    if key == "timeout":
        return "must be a length of time such as 30m"
    if key == "comment" and text:
        return "must be a block, as in `comment: {starts_with: /retrain}`"
    if key == "if" and isinstance(value, bool):
        return "must be an expression in text, such as `repo.private == false`"
    return None


def _words(text: str) -> str:
    try:
        words = shlex.split(text)
    except ValueError:
        words = text.split()
    return f"[{', '.join(map(_yaml, words))}]"


def _yaml(value: object) -> str:
    """Return *value* as an item of a list within brackets."""
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _NO_TEXT:
        return _shown(value)
    return _shown(json.dumps(value, ensure_ascii=False, default=str))


def _quoted(value: object) -> str:
    """Return the text that was most likely meant by a *value* that is none."""
    if isinstance(value, dict) and len(value) == 1:
        # A space after the colon has made a block of it.
        ((key, inner),) = value.items()
        return f'"{_shown(f"{key}:{inner}")}"'
    if isinstance(value, list | dict) or value is None:
        return '"…"'
    return f'"{_shown(json.dumps(value))}"'


def _shown(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _about_expression(text: str, message: str) -> str:
    if "${{" in text:
        return "; write the expression alone, without `${{ }}`"
    if found := _FIELD.search(message):
        return did_you_mean(found[1], CONTEXT.get(found[2], ()))
    if found := _NAME.search(message):
        return did_you_mean(found[1].partition(".")[0], (*CONTEXT, *LISTS, "now"))
    if re.search(r"\b(and|or|not)\b", text) and "Syntax error" in message:
        return "; write `&&` for and, `||` for or, `!` for not"
    if "token recognition error at: '= '" in message:
        return "; compare with `==`"
    return ""


def _named(keys: Keys) -> str:
    names = [str(key) for key in keys if isinstance(key, str)]
    return f"`{'.'.join(names)}`" if names else ""
