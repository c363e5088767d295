"""The machines that Hub Jobs offers, with their prices (the Hub's Jobs guide, August 2026)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# flavor | pretty name | vCPU | RAM GB | disk GB | accelerators | model | VRAM GB in all | $/h
_TABLE = """
cpu-basic       | CPU Basic              | 2   | 16   | 50    | 0 | -            | 0    | 0.01
cpu-upgrade     | CPU Upgrade            | 8   | 32   | 50    | 0 | -            | 0    | 0.03
cpu-xl          | CPU XL                 | 16  | 124  | 1000  | 0 | -            | 0    | 1.00
cpu-performance | CPU Performance        | 32  | 256  | 1024  | 0 | -            | 0    | 1.90
t4-small        | Nvidia T4 - small      | 4   | 15   | 50    | 1 | T4           | 16   | 0.40
t4-medium       | Nvidia T4 - medium     | 8   | 30   | 100   | 1 | T4           | 16   | 0.60
l4x1            | 1x Nvidia L4           | 8   | 30   | 400   | 1 | L4           | 24   | 0.80
l4x4            | 4x Nvidia L4           | 48  | 186  | 3200  | 4 | L4           | 96   | 3.80
l40sx1          | 1x Nvidia L40S         | 8   | 62   | 380   | 1 | L40S         | 48   | 1.80
l40sx4          | 4x Nvidia L40S         | 48  | 382  | 3200  | 4 | L40S         | 192  | 8.30
l40sx8          | 8x Nvidia L40S         | 192 | 1534 | 6500  | 8 | L40S         | 384  | 23.50
a10g-small      | Nvidia A10G - small    | 4   | 15   | 110   | 1 | A10G         | 24   | 1.00
a10g-large      | Nvidia A10G - large    | 12  | 46   | 200   | 1 | A10G         | 24   | 1.50
a10g-largex2    | 2x Nvidia A10G - large | 24  | 92   | 1000  | 2 | A10G         | 48   | 3.00
a10g-largex4    | 4x Nvidia A10G - large | 48  | 184  | 2000  | 4 | A10G         | 96   | 5.00
a100-large      | Nvidia A100 - large    | 12  | 142  | 1000  | 1 | A100         | 80   | 2.50
a100x4          | 4x Nvidia A100         | 48  | 568  | 4000  | 4 | A100         | 320  | 10.00
a100x8          | 8x Nvidia A100         | 96  | 1136 | 8000  | 8 | A100         | 640  | 20.00
h200            | Nvidia H200            | 23  | 256  | 3000  | 1 | H200         | 141  | 5.00
h200x2          | 2x Nvidia H200         | 46  | 512  | 6000  | 2 | H200         | 282  | 10.00
h200x4          | 4x Nvidia H200         | 92  | 1024 | 12000 | 4 | H200         | 564  | 20.00
h200x8          | 8x Nvidia H200         | 184 | 2048 | 24000 | 8 | H200         | 1128 | 40.00
rtx-pro-6000    | Nvidia RTX PRO 6000    | 23  | 256  | 475   | 1 | RTX PRO 6000 | 96   | 2.75
rtx-pro-6000x2  | 2x Nvidia RTX PRO 6000 | 46  | 512  | 950   | 2 | RTX PRO 6000 | 192  | 5.50
rtx-pro-6000x4  | 4x Nvidia RTX PRO 6000 | 92  | 1024 | 1900  | 4 | RTX PRO 6000 | 384  | 11.00
rtx-pro-6000x8  | 8x Nvidia RTX PRO 6000 | 184 | 2048 | 3800  | 8 | RTX PRO 6000 | 768  | 22.00
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardware:
    """One flavor of machine; the price is in millionths of a US dollar per minute."""

    name: str
    pretty_name: str
    cores: int
    memory: int
    disk: int
    accelerators: int
    model: str
    vram: int
    micro_usd: int

    def to_env(self) -> dict[str, str]:
        """Return what a job is told about its machine."""
        return {
            "ACCELERATOR": self.model if self.accelerators else "none",
            "CPU_CORES": str(self.cores),
            "MEMORY": f"{self.memory}Gi",
        }

    def to_wire(self) -> dict[str, Any]:
        """Return one item of `/api/jobs/hardware`; a machine without accelerator says null."""
        return {
            "name": self.name,
            "prettyName": self.pretty_name,
            "cpu": f"{self.cores} vCPU",
            "ram": f"{self.memory} GB",
            "ephemeralStorage": f"{self.disk} GB",
            "accelerator": self._accelerator(),
            "unitCostMicroUSD": self.micro_usd,
            "unitCostUSD": self.micro_usd / 1_000_000,
            "unitLabel": "minute",
        }

    def _accelerator(self) -> dict[str, str] | None:
        if not self.accelerators:
            return None
        return {
            "type": "gpu",
            "model": self.model,
            "quantity": str(self.accelerators),
            "vram": f"{self.vram} GB",
            "manufacturer": "Nvidia",
        }


def _row(line: str) -> Hardware:
    name, pretty_name, cores, memory, disk, count, model, vram, usd = (
        cell.strip() for cell in line.split("|")
    )
    return Hardware(
        name=name,
        pretty_name=pretty_name,
        cores=int(cores),
        memory=int(memory),
        disk=int(disk),
        accelerators=int(count),
        model=model,
        vram=int(vram),
        micro_usd=round(float(usd) * 1_000_000 / 60),
    )


HARDWARE = {row.name: row for row in map(_row, _TABLE.strip().splitlines())}
