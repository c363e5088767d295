"""The kinds of hardware that jobs run on, and what they cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class JobHardware(StrEnum):
    """The flavors known when this was written; the Hub may have more."""

    CPU_BASIC = "cpu-basic"
    CPU_UPGRADE = "cpu-upgrade"
    CPU_XL = "cpu-xl"
    CPU_PERFORMANCE = "cpu-performance"
    T4_SMALL = "t4-small"
    T4_MEDIUM = "t4-medium"
    L4X1 = "l4x1"
    L4X4 = "l4x4"
    L40SX1 = "l40sx1"
    L40SX4 = "l40sx4"
    L40SX8 = "l40sx8"
    A10G_SMALL = "a10g-small"
    A10G_LARGE = "a10g-large"
    A10G_LARGEX2 = "a10g-largex2"
    A10G_LARGEX4 = "a10g-largex4"
    A100_LARGE = "a100-large"
    A100X4 = "a100x4"
    A100X8 = "a100x8"
    H200 = "h200"
    H200X2 = "h200x2"
    H200X4 = "h200x4"
    H200X8 = "h200x8"
    RTX_PRO_6000 = "rtx-pro-6000"
    RTX_PRO_6000X2 = "rtx-pro-6000x2"
    RTX_PRO_6000X4 = "rtx-pro-6000x4"
    RTX_PRO_6000X8 = "rtx-pro-6000x8"


@dataclass(frozen=True, slots=True)
class Flavor:
    """What a kind of hardware costs and holds: *accelerator* is None where there is none."""

    usd_per_hour: float
    accelerator: str | None = None


# As published (the Hub's Jobs guide, August 2026); the Hub may know more, and says what is paid.
FLAVORS: Mapping[str, Flavor] = {
    JobHardware.CPU_BASIC: Flavor(0.01),
    JobHardware.CPU_UPGRADE: Flavor(0.03),
    JobHardware.CPU_XL: Flavor(1.0),
    JobHardware.CPU_PERFORMANCE: Flavor(1.9),
    JobHardware.T4_SMALL: Flavor(0.4, "1 T4"),
    JobHardware.T4_MEDIUM: Flavor(0.6, "1 T4"),
    JobHardware.L4X1: Flavor(0.8, "1 L4"),
    JobHardware.L4X4: Flavor(3.8, "4 L4"),
    JobHardware.L40SX1: Flavor(1.8, "1 L40S"),
    JobHardware.L40SX4: Flavor(8.3, "4 L40S"),
    JobHardware.L40SX8: Flavor(23.5, "8 L40S"),
    JobHardware.A10G_SMALL: Flavor(1.0, "1 A10G"),
    JobHardware.A10G_LARGE: Flavor(1.5, "1 A10G"),
    JobHardware.A10G_LARGEX2: Flavor(3.0, "2 A10G"),
    JobHardware.A10G_LARGEX4: Flavor(5.0, "4 A10G"),
    JobHardware.A100_LARGE: Flavor(2.5, "1 A100"),
    JobHardware.A100X4: Flavor(10.0, "4 A100"),
    JobHardware.A100X8: Flavor(20.0, "8 A100"),
    JobHardware.H200: Flavor(5.0, "1 H200"),
    JobHardware.H200X2: Flavor(10.0, "2 H200"),
    JobHardware.H200X4: Flavor(20.0, "4 H200"),
    JobHardware.H200X8: Flavor(40.0, "8 H200"),
    JobHardware.RTX_PRO_6000: Flavor(2.75, "1 RTX PRO 6000"),
    JobHardware.RTX_PRO_6000X2: Flavor(5.5, "2 RTX PRO 6000"),
    JobHardware.RTX_PRO_6000X4: Flavor(11.0, "4 RTX PRO 6000"),
    JobHardware.RTX_PRO_6000X8: Flavor(22.0, "8 RTX PRO 6000"),
}
