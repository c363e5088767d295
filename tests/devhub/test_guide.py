"""What the Hub's guide of Jobs shows and no other test does, with the official client."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError

if TYPE_CHECKING:
    from devhub.conftest import Running

pytestmark = [pytest.mark.anyio, pytest.mark.filterwarnings("ignore:.* is experimental")]

URL = "https://example.invalid/train.py"


@pytest.mark.parametrize(
    ("image", "told"),
    [
        pytest.param("hf.co/spaces/acme/duckdb", (None, "acme/duckdb"), id="space"),
        pytest.param("https://hf.co/spaces/acme/x", (None, "acme/x"), id="url-of-a-space"),
        pytest.param("pytorch/pytorch:2.6.0", ("pytorch/pytorch:2.6.0", None), id="image"),
    ],
)
async def test_an_image_may_be_that_of_a_space(
    shared: Running, image: str, told: tuple[str | None, str | None]
) -> None:
    job = await shared.call(
        lambda: shared.api.run_job(image=image, command=["true"], namespace="dev")
    )
    assert (job.docker_image, job.space_id) == told


@pytest.mark.parametrize(
    ("names_it", "script", "args"),
    [
        pytest.param(HfApi.run_uv_job, URL, ["--fast"], id="url"),
        pytest.param(HfApi.create_scheduled_uv_job, URL, ["--fast"], id="scheduled-url"),
        pytest.param(HfApi.create_scheduled_uv_job, "python", ["-V"], id="scheduled-command"),
    ],
)
async def test_uv_scripts_are_taken(
    shared: Running, names_it: Callable[..., Any], script: str, args: list[str]
) -> None:
    timing = {} if names_it is HfApi.run_uv_job else {"schedule": "@yearly"}
    made = await shared.call(
        lambda: names_it(
            shared.api,
            script,
            script_args=args,
            dependencies=["torch"],
            python="3.12",
            env={"UV_OFFLINE": "1"},
            flavor="a10g-small",
            timeout="90m",
            namespace="dev",
            **timing,
        )
    )
    spec = getattr(made, "job_spec", made)
    uv = ["uv", "run", "--with", "torch", "--python", "3.12"]
    assert spec.command == [*uv, script, *args]
    assert spec.flavor == "a10g-small"
    if not timing:
        await shared.http.post(f"/api/jobs/dev/{made.id}/cancel")


async def test_several_jobs_are_waited_for(shared: Running) -> None:
    def use() -> list[str]:
        jobs = [
            shared.api.run_job(image="i", command=[word], namespace="dev", name="batch")
            for word in ("true", "false")
        ]
        done = shared.api.wait_for_job(job_id=[job.id for job in jobs], namespace="dev", timeout=60)
        return [job.status.stage for job in done]

    assert await shared.call(use) == ["COMPLETED", "ERROR"]


async def test_a_local_script_is_refused_with_the_reason(shared: Running, tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text("print(1)")
    with pytest.raises(HfHubHTTPError, match="devhub has no buckets yet"):
        await shared.call(lambda: shared.api.run_uv_job(str(script), namespace="dev"))
