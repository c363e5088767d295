from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from jobhook.adapters.folders import state_of, visible_in


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "rules"
    (folder / "team").mkdir(parents=True)
    (folder / "a.yaml").write_text("a")
    (folder / "team" / "b.yaml").write_text("b")
    return folder


def names(folder: Path) -> list[str]:
    return sorted(os.path.relpath(entry.path, folder) for entry in visible_in(folder))


def test_what_is_hidden_is_not_seen(folder: Path) -> None:
    (folder / ".git").mkdir()
    (folder / ".git" / "c.yaml").write_text("c")
    (folder / ".a.yaml.swp").write_text("a")
    (folder / ".#a.yaml").symlink_to("nobody@nowhere")
    assert names(folder) == ["a.yaml", "team", "team/b.yaml"]


def test_a_link_to_a_folder_is_not_followed(folder: Path) -> None:
    (folder / "round").symlink_to(folder)
    assert names(folder) == ["a.yaml", "round", "team", "team/b.yaml"]


def written_in_place(folder: Path) -> None:
    with (folder / "a.yaml").open("r+") as file:
        file.write("b")


def replaced_as_of_the_same_time(folder: Path) -> None:
    old = (folder / "a.yaml").stat()
    (folder / "new").write_text("b")
    os.utime(folder / "new", ns=(old.st_atime_ns, old.st_mtime_ns))
    (folder / "new").rename(folder / "a.yaml")


CHANGES = [
    pytest.param(written_in_place, id="written in place"),
    pytest.param(replaced_as_of_the_same_time, id="replaced, with the old time"),
    pytest.param(lambda folder: (folder / "c.yaml").write_text(""), id="added"),
    pytest.param(lambda folder: (folder / "a.yaml").unlink(), id="removed"),
    pytest.param(lambda folder: (folder / "a.yaml").rename(folder / "c.yaml"), id="renamed"),
    pytest.param(lambda folder: (folder / "team" / "b.yaml").write_text("bb"), id="below"),
    pytest.param(lambda folder: folder.rename(folder.with_name("gone")), id="gone"),
]


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_seen(folder: Path, change: Callable[[Path], object]) -> None:
    # Some disks tell the time in steps.
    for path in folder.rglob("*.yaml"):
        os.utime(path, (1, 1))
    before = state_of(folder)
    assert state_of(folder) == before
    change(folder)
    assert state_of(folder) != before


def test_what_is_hidden_makes_no_change(folder: Path) -> None:
    before = state_of(folder)
    (folder / ".a.yaml.swp").write_text("a")
    assert state_of(folder) == before


def test_a_volume_of_kubernetes_is_seen_to_change_by_its_links(tmp_path: Path) -> None:
    # Each file is a link into `..data`, which is a link to the folder of one version.
    for version in ("..1", "..2"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "a.yaml").write_text(version)
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "a.yaml").symlink_to("..data/a.yaml")
    assert names(tmp_path) == ["a.yaml"]
    before = state_of(tmp_path)
    (tmp_path / "..tmp").symlink_to("..2")
    (tmp_path / "..tmp").rename(tmp_path / "..data")
    assert state_of(tmp_path) != before


def test_a_link_to_the_whole_folder_may_be_set_anew(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "second").mkdir()
    (tmp_path / "second" / "a.yaml").write_text("second")
    link = tmp_path / "current"
    link.symlink_to("rules")
    before = state_of(link)
    link.unlink()
    link.symlink_to("second")
    assert state_of(link) != before


def test_a_link_to_nothing_is_no_fault(folder: Path) -> None:
    (folder / "c.yaml").symlink_to("nowhere")
    before = state_of(folder)
    (folder / "nowhere").write_text("c")
    assert state_of(folder) != before
