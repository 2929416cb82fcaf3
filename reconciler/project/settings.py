"""``reconciler.yaml`` as a person may write it, checked: every problem of one run at once, each with its line.

No pydantic here: every command reads this file, and importing pydantic costs more than reading it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from reconciler.errors import Diagnostic
from reconciler.model.nearest import did_you_mean

_SETTINGS: Final = ("manifests", "state", "home")
_TOP: Final = (*_SETTINGS, "environments")
_STATE: Final = ("backend", "path")
BACKENDS: Final = ("sqlite",)

Position = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedFile:
    """A YAML mapping as text, lists and mappings. ``positions`` gives line and column (from 1) by field path
    (``environments.prod.home``), as far as the parser knows them."""

    values: Mapping[str, Any]
    positions: Mapping[str, Position] = field(default_factory=dict)


Parse = Callable[[Path], ParsedFile]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What is said, as written; None where nothing is."""

    manifests: tuple[str, ...] | None = None
    state_path: str | None = None
    home: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectFile:
    """The whole file: its own settings and those of each environment."""

    settings: Settings = Settings()
    environments: Mapping[str, Settings] = field(default_factory=dict)


def read_settings(parsed: ParsedFile, file: Path) -> tuple[ProjectFile, list[Diagnostic]]:
    """The file's content and its problems; with problems, what was understood is not to be used."""
    reader = _Reader(parsed.positions, str(file))
    reader.refuse_unknown(parsed.values, _TOP, "")
    settings = reader.settings(parsed.values, "")
    environments = {}
    declared = reader.mapping(parsed.values, "environments", "")
    for name, values in declared.items():
        path = f"environments.{name}"
        if not isinstance(values, Mapping):
            reader.problem(path, f"{path} must be a mapping of {', '.join(_SETTINGS)}")
        elif not _is_plain(name):
            reader.problem(path, f"The environment name {name!r} must consist of letters, digits, - and _")
        else:
            reader.refuse_unknown(values, _SETTINGS, f"{path}.")
            environments[name] = reader.settings(values, f"{path}.")
    return ProjectFile(settings=settings, environments=environments), reader.problems


class _Reader:
    def __init__(self, positions: Mapping[str, Position], file: str) -> None:
        self.problems: list[Diagnostic] = []
        self._positions = positions
        self._file = file

    def problem(self, path: str, summary: str, suggestion: str | None = None) -> None:
        line, column = self._positions.get(path, (None, None))
        self.problems.append(
            Diagnostic(
                code="invalid-project-file",
                summary=summary,
                suggestion=suggestion,
                file=self._file,
                line=line,
                column=column,
                path=path,
            )
        )

    def refuse_unknown(self, values: Mapping[str, Any], known: tuple[str, ...], prefix: str) -> None:
        for name in values:
            if name not in known:
                self.problem(
                    f"{prefix}{name}",
                    f"Unknown field {prefix}{name}",
                    did_you_mean(str(name), known) or f"Known here: {', '.join(known)}.",
                )

    def settings(self, values: Mapping[str, Any], prefix: str) -> Settings:
        state = self.mapping(values, "state", prefix)
        self.refuse_unknown(state, _STATE, f"{prefix}state.")
        backend = self.text(state, "backend", f"{prefix}state.")
        if backend is not None and backend not in BACKENDS:
            self.problem(
                f"{prefix}state.backend",
                f'There is no state backend "{backend}"',
                f"Known: {', '.join(BACKENDS)}.",
            )
        return Settings(
            manifests=self._manifests(values, prefix),
            state_path=self.text(state, "path", f"{prefix}state."),
            home=self.text(values, "home", prefix),
        )

    def mapping(self, values: Mapping[str, Any], name: str, prefix: str) -> Mapping[str, Any]:
        if name not in values:
            return {}
        value = values[name]
        if not isinstance(value, Mapping):
            self.problem(f"{prefix}{name}", f"{prefix}{name} must be a mapping")
            return {}
        return value

    def text(self, values: Mapping[str, Any], name: str, prefix: str) -> str | None:
        if name not in values:
            return None
        value = values[name]
        if not isinstance(value, str) or not value:
            self.problem(f"{prefix}{name}", f"{prefix}{name} must be a text that is not empty", "Remove it, or say it.")
            return None
        return value

    def _manifests(self, values: Mapping[str, Any], prefix: str) -> tuple[str, ...] | None:
        if "manifests" not in values:
            return None
        listed = values["manifests"]
        if not isinstance(listed, list | tuple) or not listed or not all(isinstance(each, str) for each in listed):
            self.problem(
                f"{prefix}manifests",
                f"{prefix}manifests must be a list of files or folders",
                "Write it as manifests: [manifests/].",
            )
            return None
        if "" in listed:
            self.problem(f"{prefix}manifests", f"{prefix}manifests has an empty entry")
        return tuple(listed)


def _is_plain(name: object) -> bool:
    return isinstance(name, str) and bool(name) and name.isascii() and name.replace("-", "").replace("_", "").isalnum()
