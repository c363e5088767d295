"""
Local files that travel with a job, in one variable of its environment.

In the job, `sh` unpacks them before it runs what was asked for, so that no other call is needed.
"""

from __future__ import annotations

import base64
import gzip
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from jobhook.core.errors import FilesTooLong
from jobhook.core.jobs import ENV_STRING_MAX_BYTES

FILES_VARIABLE = "JOBHOOK_FILES"
# What is not even packed: of texts, a fourth is left, and that would not fit.
FILES_MAX_BYTES = 1024 * 1024

# `sh` is given the words, with bare names where the paths of files will stand. The variable holds,
# for each file, the places of its name among the words and what it holds. It is split by `for`,
# because patterns (`${x%% *}`) take the square of the time that a text has bytes. What `eval` gets
# are numbers. The Hub lets no variable begin with `_`: none of the caller's is changed.
_BOOTSTRAP = f"""\
set -eu
_folder=$(mktemp -d)
_places=,
_file=
for _part in ${FILES_VARIABLE}; do
    if [ -z "$_file" ]; then
        _places=$_places$_part,
        eval "_file=\\$_folder/\\${{${{_part%%,*}}}}"
    else
        printf %s "$_part" | base64 -d | gzip -dc >"$_file"
        chmod u+x "$_file"
        _file=
    fi
done
unset {FILES_VARIABLE}
_words=
_place=0
while [ "$_place" -lt $# ]; do
    _place=$((_place + 1))
    case $_places in
    *,$_place,*) _words="$_words \\"\\$_folder/\\${{$_place}}\\"" ;;
    *) _words="$_words \\"\\${{$_place}}\\"" ;;
    esac
done
eval "exec $_words"
"""


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A word that stands for a file: the job finds *content* under *name*, beside the others."""

    name: str
    content: bytes = field(repr=False)


def names_in_job(names: Mapping[str, str]) -> dict[str, str]:
    """
    Return, for each path, the name that the file has in a job: its own, but unlike all the others.

    *names* are the files' names by their paths. As in the official client, a space becomes `_`,
    and of two files with one name the second is called `name(0).py`.
    """
    taken: dict[str, str] = {}
    for path, name in names.items():
        plain = name.replace(" ", "_")
        number, free = 0, plain
        while free in taken:
            free, number = _numbered(plain, number), number + 1
        taken[free] = path
    return {path: name for name, path in taken.items()}


def inlined(words: Iterable[str | LocalFile]) -> tuple[tuple[str, ...], dict[str, str]]:
    """
    Return the command that runs *words* with the files' paths among them, and the env it needs.

    What runs has the process, its exit code and its signals to itself. One name is one file.

    Raises:
        FilesTooLong: The files do not fit one variable.
    """
    given = list(words)
    places: dict[str, list[int]] = {}
    contents: dict[str, bytes] = {}
    for place, word in enumerate(given, start=1):
        if isinstance(word, LocalFile):
            places.setdefault(word.name, []).append(place)
            contents[word.name] = word.content
    value = " ".join(
        f"{','.join(map(str, places[name]))} {_pack(content)}" for name, content in contents.items()
    )
    if len(f"{FILES_VARIABLE}={value}\0") > ENV_STRING_MAX_BYTES:
        raise FilesTooLong(
            f"packed, the files take {len(value):,} bytes of the job's environment, "
            f"and {ENV_STRING_MAX_BYTES:,} is the most"
        )
    plain = (word.name if isinstance(word, LocalFile) else word for word in given)
    return ("sh", "-c", _BOOTSTRAP, "jobhook", *plain), {FILES_VARIABLE: value}


def _pack(content: bytes) -> str:
    # Without a time, so that the same file gives the same text.
    return base64.b64encode(gzip.compress(content, mtime=0)).decode()


def _numbered(name: str, number: int) -> str:
    stem, dot, suffix = name.rpartition(".")
    if not stem or not suffix:
        return f"{name}({number})"
    return f"{stem}({number}){dot}{suffix}"
