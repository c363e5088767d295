"""The documentation of the API as a page, made from its OpenAPI document; it loads nothing."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections import defaultdict
from importlib import resources
from typing import Any

from jinja2 import Environment
from markupsafe import Markup, escape

from jobhook.web.api.answering import Answer
from jobhook.web.api.faults import Fault
from jobhook.web.api.operations import JSON
from jobhook.web.api.schemas import Json

HTML = "text/html; charset=utf-8"
_PAGES = resources.files("jobhook.web.api") / "pages"
_CODE = re.compile(r"`([^`]+)`")
_BOLD = re.compile(r"\*\*([^*]+)\*\*")


def page(document: Json) -> Answer:
    """Return the page for *document*, which a browser lets load and run nothing."""
    style = (_PAGES / "docs.css").read_text()
    environment = Environment(autoescape=True, trim_blocks=True)
    environment.filters |= {"kind": _kind, "words": _words, "answer": _answer}
    about, _, _ = document["info"]["description"].partition("\n\n| code ")
    text = environment.from_string((_PAGES / "docs.html").read_text()).render(
        style=Markup(style),  # noqa: S704 - it is a file of ours
        info=document["info"],
        about=[_words(paragraph) for paragraph in about.split("\n\n")],
        codes=list(Fault),
        groups=_groups(document),
        schemas=document["components"]["schemas"],
    )
    return Answer(
        status=200,
        body=text.encode(),
        media=HTML,
        headers=(("content-security-policy", _policy(style)), ("referrer-policy", "no-referrer")),
    )


def _policy(style: str) -> str:
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    nothing = "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    return f"default-src 'none'; style-src 'sha256-{digest}'; {nothing}"


def _groups(document: Json) -> dict[str, list[Json]]:
    groups: dict[str, list[Json]] = defaultdict(list)
    for path, methods in document["paths"].items():
        for method, each in methods.items():
            told = {**each, "method": method, "path": path, **_body(document, each)}
            groups[each["tags"][0]].append(told)
    return dict(groups)


def _body(document: Json, operation: Json) -> Json:
    content = operation.get("requestBody", {}).get("content", {}).get(JSON)
    if not content:
        return {}
    schema = content["schema"]
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    example = content.get("example")
    return {"body": schema, "example": json.dumps(example, indent=2) if example else None}


def _words(text: str) -> Markup:
    """Return *text* with its `code` and **bold** as a browser shows them."""
    told = _CODE.sub(r"<code>\1</code>", str(escape(text)))
    return Markup(_BOLD.sub(r"<strong>\1</strong>", told))  # noqa: S704 - it is escaped


def _answer(response: Json) -> Markup:
    content = response.get("content", {})
    told = [_kind(each["schema"]) for media, each in content.items() if media == JSON]
    return told[0] if told else escape(", ".join(content))


def _kind(schema: Json) -> Markup:
    """Return what a value is, in few words, with links to what is described elsewhere."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return Markup('<a href="#schema-{0}">{0}</a>').format(name)
    if "anyOf" in schema:
        return Markup(" or ").join(_kind(each) for each in schema["anyOf"])
    if "enum" in schema or "const" in schema:
        words = schema.get("enum", [schema.get("const")])
        return escape(" | ".join(map(str, words)))
    if schema.get("type") == "array":
        return Markup("list of ") + _kind(schema.get("items", {}))
    return escape(_plain_kind(schema))


def _plain_kind(schema: Json) -> Any:
    kind = schema.get("type", "anything")
    bounds = [
        f"{word} {schema[key]}"
        for key, word in (("minimum", "from"), ("maximum", "to"), ("maxLength", "up to"))
        if key in schema
    ]
    return " ".join((schema.get("format") or kind, *bounds))
