"""A case in one readable file: what is there, what is typed, what must come out.

A sentence: the rule that the case shows.
world: applied                      set-up by name (worlds.py), several in order; optional
may change: resource, head          tables whose recorded rows the command may rewrite; optional
in: process                         run as a process of its own; optional
$ reconciler plan
exit: 1

-- manifests/keys.yaml --           a file of the project; with (escaped), backslash-x-NN is a byte and
…                                   backslash-u-NNNN a character that does not belong into a source file
-- stdout --
-- stderr --
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

_SECTION = re.compile(r"^-- (?P<name>\S+)(?P<escaped> \(escaped\))? --$")
_ESCAPE = re.compile(rb"\\x([0-9a-f]{2})|\\u([0-9a-f]{4})")
_OUTPUTS = ("stdout", "stderr")


@dataclass(frozen=True, kw_only=True)
class Case:
    """``head`` is everything before the exit code, as written; ``sections`` the files, as written."""

    path: Path
    head: tuple[str, ...]
    command: tuple[str, ...]
    exit_code: int
    worlds: tuple[str, ...] = ()
    may_change: frozenset[str] = frozenset()
    own_process: bool = False
    sections: tuple[tuple[str, str], ...] = ()
    stdout: str = ""
    stderr: str = ""
    files: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """``loading/duplicate-key``."""
        return "/".join(self.path.with_suffix("").parts[-2:])


def read_case(path: Path) -> Case:
    """The case in a file. ValueError says what is missing."""
    head, sections = _split(path.read_text(encoding="utf-8").splitlines(keepends=True))
    said = dict(line.split(": ", 1) for line in head[1:] if not line.startswith("$ "))
    if unknown := said.keys() - {"world", "may change", "in", "exit"}:
        raise ValueError(f"{path}: {', '.join(sorted(unknown))} is no line of a case")
    typed = next((line for line in head if line.startswith("$ reconciler")), None)
    if typed is None or "exit" not in said:
        raise ValueError(f"{path} needs a line `$ reconciler …` and a line `exit: N`")
    outputs = {title: text for title, text in sections if title in _OUTPUTS}
    files = [(title, text) for title, text in sections if title not in _OUTPUTS]
    return Case(
        path=path,
        head=tuple(line for line in head if not line.startswith("exit: ")),
        command=tuple(shlex.split(typed)[2:]),
        exit_code=int(said["exit"]),
        worlds=_listed(said.get("world", "")),
        may_change=frozenset(_listed(said.get("may change", ""))),
        own_process=said.get("in") == "process",
        sections=tuple(files),
        stdout=outputs.get("stdout", ""),
        stderr=outputs.get("stderr", ""),
        files=dict(_file(title, text) for title, text in files),
    )


def write_case(case: Case, *, exit_code: int, stdout: str, stderr: str) -> None:
    """The same case with what came out now."""
    case = replace(case, exit_code=exit_code, stdout=stdout, stderr=stderr)
    lines = [*case.head, f"exit: {case.exit_code}", ""]
    text = "\n".join(lines) + "\n"
    for title, content in (*case.sections, ("stdout", case.stdout), ("stderr", case.stderr)):
        if content or title not in _OUTPUTS:
            text += f"-- {title} --\n{content}"
    case.path.write_text(text, encoding="utf-8")


def _split(lines: Sequence[str]) -> tuple[list[str], list[tuple[str, str]]]:
    head: list[str] = []
    sections: list[tuple[str, str]] = []
    for line in lines:
        match = _SECTION.match(line.rstrip("\n"))
        if match:
            sections.append((match["name"] + (match["escaped"] or ""), ""))
        elif sections:
            title, text = sections[-1]
            sections[-1] = title, text + line
        elif line.strip():
            head.append(line.rstrip("\n"))
    return head, sections


def _file(title: str, text: str) -> tuple[str, bytes]:
    name, _, escaped = title.partition(" ")
    content = text.encode()
    return name, _ESCAPE.sub(_meant, content) if escaped else content


def _meant(match: re.Match[bytes]) -> bytes:
    return bytes.fromhex(match[1].decode()) if match[1] else chr(int(match[2], 16)).encode()


def _listed(text: str) -> tuple[str, ...]:
    return tuple(each.strip() for each in text.split(",") if each.strip())
