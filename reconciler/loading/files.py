"""Which files hold manifests, and what they hold, read once (CONTRACT 1 and 2).

``*.yaml`` and ``*.yml`` below the given folders, in alphabetical order, without hidden ones. Whatever cannot be a
manifest (too large, not UTF-8, a forbidden character, a link that leads out of the project) is a diagnostic.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from reconciler.errors import Diagnostic

LARGEST = 1024 * 1024  # bytes in one file: T11
STDIN = "<stdin>"
_PROJECT_FILE = "reconciler.yaml"

# Deleting these from a text shows in its length, which is far quicker than a search. Tab, newline and carriage return
# stay.
_CONTROL = bytes(byte for byte in range(32) if byte not in (9, 10, 13)) + b"\x7f"


@dataclass(frozen=True, slots=True)
class Source:
    """A file that may hold manifests: ``name`` as the user would name it, its content and that content's SHA-256."""

    name: str
    content: bytes
    sha256: bytes


@dataclass(frozen=True, slots=True)
class Found:
    """What there is to load, what could not be read, and remarks."""

    sources: list[Source]
    problems: list[Diagnostic]
    warnings: list[Diagnostic]


def find(project: Path, places: Sequence[str], read_stdin: Callable[[], bytes] | None = None) -> Found:
    """The sources at ``places``: folders and files relative to ``project`` (or absolute), ``-`` for standard input."""
    finder = _Finder(project)
    for place in places:
        if place == "-":
            finder.add(STDIN, b"" if read_stdin is None else read_stdin())
        else:
            finder.look(place)
    nothing = not finder.sources and not finder.problems
    return Found(list(finder.sources.values()), finder.problems, [_nothing(places)] if nothing else [])


class _Finder:
    def __init__(self, project: Path) -> None:
        self._project = project
        self.sources: dict[str, Source] = {}
        self.problems: list[Diagnostic] = []

    def look(self, place: str) -> None:
        path = os.path.join(self._project, place)
        if os.path.isdir(path):
            name = os.path.normpath(place)
            self._look_into(path, "" if name == "." else f"{name}/")
        else:
            self._take(place, path)

    def _look_into(self, path: str, prefix: str) -> None:
        try:
            with os.scandir(path) as entries:
                found = sorted((entry.name, entry) for entry in entries)
        except OSError as error:
            self.problems.append(_unreadable(prefix, error))
            return
        for name, entry in found:
            if name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                if os.path.exists(os.path.join(entry.path, _PROJECT_FILE)):
                    self.problems.append(_project_within(prefix + name))
                else:
                    self._look_into(entry.path, f"{prefix}{name}/")
            elif entry.is_symlink() and (refusal := self._refuse_link(prefix + name, entry)) is not None:
                self.problems.append(refusal)
            elif name.endswith((".yaml", ".yml")) and name != _PROJECT_FILE:
                self._take(prefix + name, entry.path)

    def _refuse_link(self, name: str, entry: os.DirEntry[str]) -> Diagnostic | None:
        target, root = os.path.realpath(entry.path), os.path.realpath(self._project)
        if os.path.commonpath([target, root]) != root:
            where = "leads out of the project"
        elif os.path.isdir(target):
            where = "leads to a folder, and such links are not followed"
        else:
            return None
        return Diagnostic(
            code="symbolic-link",
            summary=f"{name} is a symbolic link that {where}",
            detail=f"It leads to {target}.",
            file=name,
            suggestion="Put the file or folder itself there, or name it with -f.",
        )

    def _take(self, name: str, path: str) -> None:
        if name not in self.sources:  # else the same file, named twice
            try:
                self.add(name, _read(path))
            except OSError as error:
                self.problems.append(_unreadable(name, error))

    def add(self, name: str, content: bytes) -> None:
        if len(content) <= LARGEST:
            self.sources[name] = Source(name, content, hashlib.sha256(content).digest())
            return
        self.problems.append(
            Diagnostic(
                code="file-too-large",
                summary=f"{name} is larger than {LARGEST // 1024 // 1024} MiB, the most that one manifest file may be",
                file=name,
                suggestion="Split it into several files.",
            )
        )


def _read(path: str) -> bytes:
    """At most one byte more than the limit."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        found = os.fstat(descriptor)
        if stat.S_ISREG(found.st_mode) and found.st_size <= LARGEST:
            content = os.read(descriptor, found.st_size + 1)
            if len(content) == found.st_size:
                return content
        else:
            content = b""
        while len(content) <= LARGEST and (more := os.read(descriptor, LARGEST + 1 - len(content))):
            content += more
        return content
    finally:
        os.close(descriptor)


def text_of(source: Source) -> str | Diagnostic:
    """The text of a source, or why it is none."""
    content = source.content
    if content.isascii() and len(content.translate(None, _CONTROL)) == len(content):
        return content.decode("ascii")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line, column = _place(content[: error.start].decode("utf-8", "replace"))
        return Diagnostic(
            code="not-utf8",
            summary=f"{source.name} is not UTF-8: byte 0x{content[error.start]:02x} in line {line}",
            file=source.name,
            line=line,
            column=column,
            suggestion="Save it as UTF-8.",
        )
    from reconciler.loading.characters import UNPRINTABLE

    text = text.removeprefix("\ufeff")
    bad = UNPRINTABLE.search(text)
    if bad is None:
        return text
    line, column = _place(text[: bad.start()])
    return Diagnostic(
        code="control-character",
        summary=f"{source.name} holds the character U+{ord(bad[0]):04X}, which is refused: it can hide what is written",
        file=source.name,
        line=line,
        column=column,
        suggestion="Remove it.",
    )


def _place(before: str) -> tuple[int, int]:
    return before.count("\n") + 1, len(before) - before.rfind("\n")


def _unreadable(name: str, error: OSError) -> Diagnostic:
    return Diagnostic(
        code="unreadable",
        summary=f"{name} cannot be read: {os.strerror(error.errno) if error.errno else error}",
        file=name,
        suggestion="Check the path: manifests are looked for in `manifests` of reconciler.yaml, or where -f points.",
    )


def _project_within(folder: str) -> Diagnostic:
    return Diagnostic(
        code="project-within",
        summary=f"{folder} is a project of its own: it has a {_PROJECT_FILE}",
        file=f"{folder}/{_PROJECT_FILE}",
        suggestion=f"Work there with -C {folder}, or name what belongs to this project in `manifests`.",
    )


def _nothing(places: Sequence[str]) -> Diagnostic:
    return Diagnostic(
        code="no-manifests",
        severity="warning",
        summary=f"There is no *.yaml or *.yml file in {', '.join(places)}",
    )
