"""The document that clients are generated from says what is so."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from jobhook.web.api.answering import dumped
from jobhook.web.api.docs import page
from jobhook.web.api.faults import ApiError, Fault
from jobhook.web.api.openapi import document
from jobhook.web.api.operations import EVENTS, PREFIX
from jobhook.web.api.reading import checked
from jobhook.web.api.schemas import references
from jobhook.web.api.table import OPERATIONS

DOCUMENT = document(OPERATIONS)
NAMED = [pytest.param(each, id=each.name) for each in OPERATIONS]


def test_it_is_openapi_3_1() -> None:
    OpenAPIV31SpecValidator(DOCUMENT).validate()


def test_everything_that_it_refers_to_is_there() -> None:
    assert set(references(DOCUMENT)) <= set(DOCUMENT["components"]["schemas"])


def test_every_schema_that_is_there_is_referred_to() -> None:
    assert set(DOCUMENT["components"]["schemas"]) <= set(references(DOCUMENT))


@pytest.mark.parametrize("name", sorted(DOCUMENT["components"]["schemas"]))
def test_a_schema_says_what_each_of_its_parts_is(name: str) -> None:
    schema = DOCUMENT["components"]["schemas"][name]
    bare = [
        each
        for each, property_ in schema.get("properties", {}).items()
        if not property_.get("description")
    ]
    assert not bare


@pytest.mark.parametrize("operation", NAMED)
def test_an_operation_has_a_summary_and_its_body_an_example_that_it_takes(operation: Any) -> None:
    assert operation.summary.endswith(".")
    if operation.body and not operation.body_is_optional:
        checked(operation.body, dumped(dict(operation.example)))


@pytest.mark.parametrize("fault", list(Fault))
def test_a_code_is_looked_up_in_the_document_and_on_its_page(fault: Fault) -> None:
    assert f"| `{fault.code}` | {fault.status} |" in DOCUMENT["info"]["description"]
    assert fault.code.encode() in page(DOCUMENT).body


def test_every_operation_stands_on_the_page() -> None:
    text = page(DOCUMENT).body.decode()
    for operation in OPERATIONS:
        assert f'id="{operation.name.replace(".", "_")}"' in text


@pytest.mark.parametrize("name", ["Env", "Labels", "Secrets", "Files", "RuleFiles", "ErrorCode"])
def test_what_several_bodies_hold_has_one_name_for_generated_clients(name: str) -> None:
    assert name in DOCUMENT["components"]["schemas"]


@pytest.mark.parametrize(
    "operation", [pytest.param(each, id=each.name) for each in OPERATIONS if each.media == EVENTS]
)
def test_the_events_of_a_stream_are_what_it_says(operation: Any) -> None:
    answer = DOCUMENT["paths"][PREFIX + operation.path]["get"]["responses"]["200"]
    schema = {
        **answer["content"][EVENTS]["x-itemSchema"],
        "components": {"schemas": DOCUMENT["components"]["schemas"]},
    }
    kinds = [each["properties"] for each in schema["oneOf"]]
    assert [each["event"].get("const") for each in kinds] == [None, "end", "error"]
    error = dumped(ApiError(fault=Fault.INTERNAL, message="a fault of ours").body()).decode()
    validator = Draft202012Validator(schema)
    validator.validate({"event": "end", "data": "{}"})
    validator.validate({"event": "error", "data": error})
    assert not validator.is_valid({"event": "error"})


def test_a_map_takes_no_names_but_those_that_its_schema_says() -> None:
    # A schema with patterns of names alone takes all others too, whatever is in them.
    assert b'"patternProperties"' not in dumped(DOCUMENT)


@pytest.mark.parametrize("word", [rb"\\s", rb"\\S", rb"\\w", rb"\\W", rb"\\d", rb"\\D", rb"\\b"])
def test_a_pattern_means_the_same_in_every_language(word: bytes) -> None:
    # What is a space, a letter or a digit beyond ASCII, each has its own idea of.
    assert word not in dumped(DOCUMENT["components"]) + dumped(DOCUMENT["paths"])
