"""Local files that travel with a job: unpacked by the shells that images have, byte for byte."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from base64 import b64decode
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobhook.core.errors import FilesTooLong
from jobhook.core.inlining import FILES_VARIABLE, LocalFile, inlined, names_in_job
from jobhook.core.jobs import ENV_NAME, ENV_STRING_MAX_BYTES, SECRET_NAME

# Prints its words, each with a NUL behind it.
PRINT = ("printf", r"%s\0")
TOOLS = ("base64", "chmod", "env", "gzip", "mktemp", "printf")

Shell = tuple[str, ...]
Words = Sequence[str | LocalFile]


@pytest.fixture(scope="module", params=["dash", "bash", "busybox"])
def shell(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A shell, and with busybox all the other tools as well."""
    found = shutil.which(request.param)
    if not found:
        pytest.skip(f"there is no {request.param}")
    if request.param != "busybox":
        return (found,)
    folder = tmp_path_factory.mktemp("busybox")
    for tool in ("busybox", *TOOLS):
        (folder / tool).symlink_to(found)
    return (f"{folder}/busybox", "sh")


def run(
    words: Words, folder: Path, shell: Shell, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run *words* as a job would, with what is unpacked below *folder*."""
    command, carried = inlined(words)
    assert command[:2] == ("sh", "-c")
    path = os.defpath if len(shell) == 1 else str(Path(shell[0]).parent)
    return subprocess.run(
        [*shell, *command[1:]],
        env={"PATH": path, "TMPDIR": str(folder), **carried, **(env or {})},
        capture_output=True,
        check=False,
        timeout=60,
    )


def printed(done: subprocess.CompletedProcess[bytes]) -> list[str]:
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout.decode().split("\0")[:-1]


HARD = LocalFile("-x y'\"\n$(id)`id` ;*é\N{SNAKE}.py", b"\0\xff\r\n'\"" + bytes(range(256)))
WORDS = [" ", "", "--", "-c", "-", "a  b", "*", "$HOME", "`id`", "'", '"', "\\", "\n", "é", "${1}"]


def test_words_and_files_arrive_as_they_were(shell: Shell, tmp_path: Path) -> None:
    told = printed(run([*PRINT, *WORDS, HARD, *WORDS], tmp_path, shell))
    path = Path(told.pop(len(WORDS)))
    assert told == [*WORDS, *WORDS]
    assert path.name == HARD.name
    assert path.read_bytes() == HARD.content


def test_files_lie_beside_one_another_and_nothing_else_does(shell: Shell, tmp_path: Path) -> None:
    files = [LocalFile(name, name.encode()) for name in ("-c", "x.py", "1", "y z", "--", "_files")]
    told = [Path(path) for path in printed(run([*PRINT, *files], tmp_path, shell))]
    (folder,) = tmp_path.iterdir()
    assert told == [folder / file.name for file in files]
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        file.name: file.content for file in files
    }


def test_a_file_that_is_named_twice_is_one_file(shell: Shell, tmp_path: Path) -> None:
    file = LocalFile("a.py", b"1")
    first, word, second = printed(run([*PRINT, file, "a.py", file], tmp_path, shell))
    assert first == second
    assert word == "a.py"
    assert (
        len(inlined([file, file])[1][FILES_VARIABLE]) - len(inlined([file])[1][FILES_VARIABLE]) == 2
    )


# What a name may hold: no slash, no NUL, and 255 bytes at most.
NAMES = st.text(
    st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=40
).filter(lambda name: name not in {".", ".."})
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40)
FILES = st.builds(LocalFile, NAMES, st.binary(max_size=2000))


@settings(max_examples=25, deadline=None)
@given(words=st.lists(st.one_of(TEXTS, FILES), min_size=1, max_size=8))
def test_any_words_and_any_files_arrive(shell: Shell, words: Words) -> None:
    contents = {word.name: word.content for word in words if isinstance(word, LocalFile)}
    with tempfile.TemporaryDirectory() as folder:
        told = printed(run([*PRINT, *words], Path(folder), shell))
        for word, arrived in zip(words, told, strict=True):
            if isinstance(word, LocalFile):
                assert Path(arrived).name == word.name
                assert Path(arrived).read_bytes() == contents[word.name]
            else:
                assert arrived == word


def test_what_fills_the_variable_to_the_last_bytes_arrives(shell: Shell, tmp_path: Path) -> None:
    room = ENV_STRING_MAX_BYTES - len(f"{FILES_VARIABLE}=\0")
    noise = os.urandom(98_300)
    full = LocalFile("n", noise[: next(n for n in range(98_300, 0, -1) if fits(noise[:n]))])
    assert room - len(inlined([*PRINT, full])[1][FILES_VARIABLE]) < 4
    (path,) = printed(run([*PRINT, full], tmp_path, shell))
    assert Path(path).read_bytes() == full.content


def fits(content: bytes) -> bool:
    try:
        inlined([*PRINT, LocalFile("n", content)])
    except FilesTooLong:
        return False
    return True


def test_many_words_arrive(shell: Shell, tmp_path: Path) -> None:
    words = [str(number) for number in range(1000)]
    told = printed(run([*PRINT, *words, LocalFile("a", b"1"), *words], tmp_path, shell))
    assert told[:1000] + told[1001:] == words * 2


def test_what_does_not_fit_one_variable_is_refused_with_its_size() -> None:
    with pytest.raises(FilesTooLong, match=r"take 133,\d\d\d bytes .* 131,072 is the most"):
        inlined([LocalFile("n", os.urandom(100_000))])


def test_the_exit_code_is_that_of_what_runs(shell: Shell, tmp_path: Path) -> None:
    script = LocalFile("end.sh", b"#!/bin/sh\nexit 7\n")
    assert run([script], tmp_path, shell).returncode == 7


def test_a_signal_reaches_what_runs_and_no_shell_before_it(tmp_path: Path) -> None:
    command, carried = inlined(["sh", "-c", "kill -TERM $$; exit 1", LocalFile("a", b"1")])
    env = {"PATH": os.defpath, "TMPDIR": str(tmp_path), **carried}
    assert subprocess.run(command, env=env, check=False).returncode == -signal.SIGTERM


def test_what_runs_has_the_callers_environment_and_not_ours(shell: Shell, tmp_path: Path) -> None:
    callers = dict.fromkeys(("folder", "file", "part", "place", "words"), "mine")
    done = run(["env", "-0", "A=1"], tmp_path, shell, callers)
    told = dict(line.split("=", 1) for line in done.stdout.decode().split("\0")[:-1])
    # `_` is bash's own.
    assert not {name for name in told if name.startswith(("_", FILES_VARIABLE))} - {"_"}
    assert callers.items() <= told.items()


def test_the_callers_environment_is_in_nobodys_way(shell: Shell, tmp_path: Path) -> None:
    file = LocalFile("a b", b"1 2")
    (path,) = printed(run([*PRINT, file], tmp_path, shell, {"IFS": "1", "CDPATH": "/"}))
    assert Path(path).read_bytes() == file.content


def test_what_cannot_be_unpacked_does_not_run(shell: Shell, tmp_path: Path) -> None:
    file = LocalFile("a", b"1" * 100)
    value = inlined([*PRINT, file])[1][FILES_VARIABLE]
    done = run([*PRINT, file], tmp_path, shell, {FILES_VARIABLE: value[:-20]})
    assert done.returncode != 0
    assert done.stdout == b""


@pytest.mark.parametrize("name", ["_folder", "_file", "_part", "_place", "_places", "_words"])
def test_the_hub_lets_nobody_set_what_the_shell_uses(name: str) -> None:
    assert name in inlined([])[0][2]
    assert not ENV_NAME.fullmatch(name)
    assert not SECRET_NAME.fullmatch(name)


def test_the_same_files_give_the_same_job() -> None:
    words = ("uv", "run", LocalFile("a.py", b"print(1)\n"), LocalFile("b", b"\0"))
    _, packed, _, _ = inlined(words)[1][FILES_VARIABLE].split(" ")
    # A gzip file says when it was made, unless that is 0.
    assert b64decode(packed)[4:8] == bytes(4)
    assert inlined(words)[0][3:] == ("jobhook", "uv", "run", "a.py", "b")


def test_what_a_file_holds_is_not_shown_with_it() -> None:
    assert "hush" not in repr(LocalFile("a", b"hush"))


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        pytest.param({"a/x.py": "x.py"}, ["x.py"], id="one"),
        pytest.param({"a/x.py": "x.py", "b/x.py": "x.py"}, ["x.py", "x(0).py"], id="two"),
        pytest.param({"a": "a b c.py"}, ["a_b_c.py"], id="spaces"),
        pytest.param({"1": "a b", "2": "a_b"}, ["a_b", "a_b(0)"], id="a-clash-by-a-space"),
        pytest.param({"1": "x", "2": "x", "3": "x"}, ["x", "x(0)", "x(1)"], id="three"),
        pytest.param(
            {"1": "x(0).py", "2": "x.py", "3": "x.py"}, ["x(0).py", "x.py", "x(1).py"], id="taken"
        ),
        pytest.param(
            {"1": "x.tar.gz", "2": "x.tar.gz"}, ["x.tar.gz", "x.tar(0).gz"], id="two-suffixes"
        ),
        pytest.param({"1": ".env", "2": ".env"}, [".env", ".env(0)"], id="hidden"),
        pytest.param({"1": "x.", "2": "x."}, ["x.", "x.(0)"], id="a-dot-at-the-end"),
    ],
)
def test_names_are_those_of_the_official_client(
    names: Mapping[str, str], expected: list[str]
) -> None:
    assert list(names_in_job(names).values()) == expected
