"""The operator's file: what code, beyond the built-in plugins, may run on this machine (CONTRACT 2).

It lies outside every repository, so that a pull request can neither add a plugin nor name another file.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from reconciler.errors import HostError, UsageError
from reconciler.host.ownership import changeable_by_others
from reconciler.model.nearest import did_you_mean
from reconciler.model.ports import Fs
from reconciler.providers.plugin import NativeModule

VARIABLE: Final = "RECONCILER_OPERATOR_FILE"
_FIELDS: Final = ("plugins", "commands", "modules")


class Parsed(Protocol):
    """What reading a YAML file gives (the project file's reader gives the same)."""

    @property
    def values(self) -> Mapping[str, Any]:
        """The file's mapping, as text, lists and mappings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """What the file at ``path`` permits; nothing when there is none."""

    path: Path
    plugins: frozenset[str] = frozenset()
    commands: frozenset[tuple[str, ...]] = frozenset()
    modules: Mapping[str, NativeModule] = dataclasses.field(default_factory=dict)


def load_operator(fs: Fs, project: Path, environ: Mapping[str, str], parse: Callable[[Path], Parsed]) -> Operator:
    """The file that RECONCILER_OPERATOR_FILE names, else ``~/.config/reconciler/operator.yaml``.

    ``parse`` reads YAML. UsageError or HostError when the file lies in the project, can be written by others, or says
    what it may not: such a file is refused whole, never used in part.
    """
    named = environ.get(VARIABLE)
    path = Path(named).expanduser().absolute() if named else _default_path(environ)
    if not fs.exists(path):
        if named:
            raise UsageError(
                f"{VARIABLE} names {path}, which does not exist", suggestion="Make that file or unset the variable."
            )
        return Operator(path=path)
    real = path.resolve()
    repository = _repository(fs, project.resolve())
    if real.is_relative_to(repository):
        raise UsageError(
            f"The operator's file {path} lies inside the repository {repository}",
            detail="Whoever can change the repository could then choose what code runs.",
            suggestion=f"Move it outside, to {_default_path(environ)} for one.",
            file=str(path),
        )
    _refuse_if_others_may_write(real)
    content = parse(real).values
    _refuse_unknown_fields(content, path)
    return Operator(
        path=path,
        plugins=_plugins(content, path),
        commands=_commands(content, path),
        modules=_modules(content, path),
    )


def _default_path(environ: Mapping[str, str]) -> Path:
    base = environ.get("XDG_CONFIG_HOME", "")
    folder = Path(base) if base.startswith("/") else Path(environ.get("HOME") or Path.home()) / ".config"
    return folder / "reconciler" / "operator.yaml"


def _repository(fs: Fs, project: Path) -> Path:
    """The git work tree that the project lies in, else the project itself."""
    for folder in (project, *project.parents):
        if fs.exists(folder / ".git"):
            return folder
    return project


def _refuse_if_others_may_write(path: Path) -> None:
    """The file and the folder that holds its name: whoever may write either may replace what it says."""
    for each in (path, path.parent):
        how = changeable_by_others(each)
        if how is not None:
            raise HostError(
                f"The operator's file {path} is not used, since others can change {each}: {how}",
                suggestion=f"Own it and let nobody else write it: chmod go-w {each}",
            )


def _refuse_unknown_fields(content: Mapping[str, Any], path: Path) -> None:
    for field in content:
        if field not in _FIELDS:
            raise UsageError(
                f"{path} has an unknown field {field}",
                suggestion=did_you_mean(field, _FIELDS) or f"Known: {', '.join(_FIELDS)}.",
                file=str(path),
                path=field,
            )


def _plugins(content: Mapping[str, Any], path: Path) -> frozenset[str]:
    listed = content.get("plugins", [])
    if not isinstance(listed, list | tuple) or not all(isinstance(name, str) and name for name in listed):
        raise UsageError(
            f"{path}: plugins must be a list of names",
            suggestion="Write it as plugins: [first, second].",
            file=str(path),
            path="plugins",
        )
    return frozenset(listed)


def _commands(content: Mapping[str, Any], path: Path) -> frozenset[tuple[str, ...]]:
    """Commands that may be run for a secret, each a list of words."""
    listed = content.get("commands", [])
    is_sound = isinstance(listed, list | tuple) and all(
        isinstance(words, list | tuple) and words and all(isinstance(word, str) and word for word in words)
        for words in listed
    )
    if not is_sound:
        raise UsageError(
            f"{path}: commands must be a list of commands, each a list of words",
            suggestion="Write it as commands: [[/usr/bin/pass, show, kms]].",
            file=str(path),
            path="commands",
        )
    return frozenset(tuple(words) for words in listed)


def _modules(content: Mapping[str, Any], path: Path) -> dict[str, NativeModule]:
    """Shared libraries that a provider may load, each under the name that manifests call it by. Only the operator says
    with which variables: some (``LD_PRELOAD``) choose what code runs."""
    listed = content.get("modules", {})
    if not isinstance(listed, Mapping) or not all(_is_module(each) for each in listed.values()):
        raise UsageError(
            f"{path}: modules must give each native module a name, and under it path (absolute) and, where it needs "
            "any, environment (a mapping of variables to text)",
            suggestion="Write it as modules: {luna: {path: /usr/lib/libCryptoki2.so}}.",
            file=str(path),
            path="modules",
        )
    return {
        str(name): NativeModule(path=Path(each["path"]), environment=dict(each.get("environment", {})))
        for name, each in listed.items()
    }


def _is_module(each: object) -> bool:
    if not isinstance(each, Mapping) or set(each) - {"path", "environment"}:
        return False
    path, environment = each.get("path"), each.get("environment", {})
    return (
        isinstance(path, str)
        and path.startswith("/")
        and isinstance(environment, Mapping)
        and all(isinstance(name, str) and isinstance(value, str) for name, value in environment.items())
    )
