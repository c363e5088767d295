"""Put together the folder that can be uploaded to a Space as it stands: `make space`."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("Dockerfile", "LICENSE", "locks", "pyproject.toml", "rules", "service")


def assemble(target: Path) -> None:
    """Fill *target* anew; a folder that holds something else is refused."""
    if target.exists():
        if not (target / "Dockerfile").is_file():
            raise SystemExit(f"{target} is there and is no Space's folder: choose another")
        shutil.rmtree(target)
    target.mkdir(parents=True)
    for name in PARTS:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target / name)
    # The Hub reads a Space's settings from the front matter of its README.
    shutil.copy(ROOT / "deploy" / "space" / "README.md", target / "README.md")


if __name__ == "__main__":
    assemble(Path(sys.argv[1]))
    sys.stdout.write(f"{sys.argv[1]} is ready: upload it with `hf upload --repo-type space`\n")
