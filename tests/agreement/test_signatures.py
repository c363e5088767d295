"""What can be said to the official client can be said to ours."""

from __future__ import annotations

import inspect
import re
from inspect import Parameter

import pytest

import jobhook
from agreement.environment import HfApi, huggingface_hub
from agreement.functions import FUNCTIONS, LEFT_OUT, parameters
from agreement.samples import samples
from jobhook.hub.blocking import Hub
from jobhook.hub.client import AsyncHub

OURS = pytest.mark.parametrize("client", [Hub, AsyncHub])


def test_every_function_of_the_official_client_is_ours_or_left_out_with_a_reason() -> None:
    named = {name for name in dir(HfApi) if re.search("job|webhook", name)}
    public = {name for name in named if not name.startswith("_")}
    assert public == {*FUNCTIONS, *LEFT_OUT}


@OURS
@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_call_that_fits_the_official_function_fits_ours(client: type, function: str) -> None:
    theirs, ours = parameters(function), parameters(function, client)
    assert set(theirs) <= set(ours)
    positions = [name for name in theirs if theirs[name].kind is not Parameter.KEYWORD_ONLY]
    assert [*ours][: len(positions)] == positions
    for name, parameter in ours.items():
        assert parameter.kind in {Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY}
        assert parameter.kind is not Parameter.KEYWORD_ONLY or name not in positions
        if name in theirs:
            assert parameter.default == theirs[name].default, name
        else:
            assert parameter.default is not Parameter.empty, name


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_parameter_is_tried(function: str) -> None:
    for name in parameters(function):
        assert len(samples(function, name)) > 0, name


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_of_the_module_takes_what_the_method_takes(function: str) -> None:
    theirs = inspect.signature(getattr(huggingface_hub, function))
    ours = inspect.signature(getattr(jobhook, function)).parameters
    assert set(theirs.parameters) <= set(ours)


@OURS
@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_id_may_be_given_by_position_as_the_hubs_guides_write_it(
    client: type, function: str
) -> None:
    """The official functions take most ids by name only, and fail where the guide calls them."""
    first, parameter = next(iter(parameters(function, client).items()))
    if {"job_id", "scheduled_job_id", "webhook_id"} & {first}:
        assert parameter.kind is Parameter.POSITIONAL_OR_KEYWORD
