"""Which words are local files, and what they hold."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from jobhook.core.errors import FilesTooLong, MissingFile, UsageError
from jobhook.core.inlining import FILES_MAX_BYTES, LocalFile
from jobhook.hub.local_files import local_files, with_contents


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder from which paths are seen."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    for name in ("train.py", "my data.csv", "sub/train.py", "-c", "no suffix"):
        (tmp_path / name).write_text(name)
    return tmp_path


def test_every_word_that_is_a_file_is_one() -> None:
    words = ["train.py", "--epochs", "3", "sub/train.py", "-c", "my data.csv", "train.py", "sub"]
    assert local_files(words) == {
        "train.py": "train.py",
        "sub/train.py": "train(0).py",
        "-c": "-c",
        "my data.csv": "my_data.csv",
    }


@pytest.mark.parametrize(
    "word",
    [
        "https://acme.test/train.py", "http://acme.test/a.yaml", "lighteval", "", ".", "sub", "--",
        "a\0b", "x" * 5000, "train.py/x", "gone.json", ".py", "py", "\ud800",
    ],
)  # fmt: skip
def test_what_is_no_file_and_not_called_like_one_stays_a_word(word: str) -> None:
    assert local_files([word]) == {}


@pytest.mark.parametrize(
    "word",
    [
        "gone.py", "gone.sh", "gone.yaml", "gone.yml", "gone.toml", "sub/gone.py", "~/train.py",
        "hf://buckets/acme/b/a.yaml", "--config=a.yaml", "x" * 5000 + ".py", "a\0b.py",
    ],
)  # fmt: skip
def test_what_is_called_like_a_file_must_be_one(word: str) -> None:
    with pytest.raises(MissingFile, match="there is no file ") as caught:
        local_files(["train.py", word])
    assert word[:200] in str(caught.value)
    assert isinstance(caught.value, FileNotFoundError)


def test_all_that_is_missing_is_told_once_and_in_order() -> None:
    with pytest.raises(MissingFile, match=r"no file b\.py, a\.sh: give its path from here"):
        local_files(["b.py", "a.sh", "b.py"])


def test_the_words_come_with_what_the_files_hold() -> None:
    words = ["train.py", "a", "my data.csv", "train.py"]
    train, data = LocalFile("train.py", b"train.py"), LocalFile("my_data.csv", b"my data.csv")
    assert with_contents(words, local_files(words)) == [train, "a", data, train]


def test_no_more_is_read_than_could_be_packed(folder: Path) -> None:
    half = FILES_MAX_BYTES // 2
    (folder / "a").write_bytes(bytes(half))
    (folder / "b").write_bytes(bytes(half))
    (folder / "c").write_bytes(b"1")
    assert len(with_contents(["a", "b"], {"a": "a", "b": "b"})) == 2
    with pytest.raises(FilesTooLong, match="hold more than 1,048,576 bytes"):
        with_contents(["a", "b", "c"], {"a": "a", "b": "b", "c": "c"})


def test_a_file_that_goes_meanwhile_is_missing(folder: Path) -> None:
    names = local_files(["train.py"])
    (folder / "train.py").unlink()
    with pytest.raises(MissingFile, match=r"no file train\.py any more"):
        with_contents(["train.py"], names)


def test_a_file_that_cannot_be_read_is_told_with_its_reason(folder: Path) -> None:
    names = local_files(["train.py"])
    (folder / "train.py").unlink()
    (folder / "train.py").mkdir()
    with pytest.raises(UsageError, match=r"train\.py cannot be read: Is a directory"):
        with_contents(["train.py"], names)


def test_a_pipe_is_no_file_and_nobody_waits_for_it(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    assert local_files(["pipe"]) == {}
