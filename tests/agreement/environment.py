"""The official client, kept from reaching for the network when it is imported."""

from __future__ import annotations

import os

# Read once for the whole process: the same as in the tests of devhub.
os.environ.update(
    HF_HUB_DISABLE_TELEMETRY="1",
    HF_HUB_DISABLE_UPDATE_CHECK="1",
    HF_HUB_DISABLE_PROGRESS_BARS="1",
    HF_HUB_DISABLE_XET="1",
    HF_HUB_DISABLE_IMPLICIT_TOKEN="1",
)

import huggingface_hub
import huggingface_hub.hf_api as official
from huggingface_hub import HfApi

__all__ = ["HfApi", "huggingface_hub", "official"]
