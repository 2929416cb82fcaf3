"""The project that a command works on (CONTRACT 2).

The file is overridden by RECONCILER_* variables, and those by flags.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from reconciler.errors import Diagnostic, InvalidProjectFile, UsageError
from reconciler.model.nearest import nearest
from reconciler.model.ports import Fs
from reconciler.project.settings import Parse, ProjectFile, Settings, read_settings

FILE_NAME: Final = "reconciler.yaml"
STANDARD_INPUT: Final = Path("-")

DEFAULT_MANIFESTS: Final = "manifests"
_DEFAULT_STATE: Final = ".reconciler/state.db"


@dataclass(frozen=True, slots=True, kw_only=True)
class Overrides:
    """What flags say: ``-f`` (repeatable), ``-e``, and paths. None and empty: nothing was said."""

    manifests: tuple[str, ...] = ()
    state_path: str | None = None
    home: str | None = None
    environment: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """``manifests`` are as written (messages name them so): relative ones to ``directory``, ``STANDARD_INPUT`` for
    ``-``. All other paths are absolute. None need exist yet."""

    directory: Path
    manifests: tuple[Path, ...]
    state_path: Path
    home: Path
    environment: str | None = None
    warnings: tuple[Diagnostic, ...] = ()


def load_project(
    fs: Fs,
    directory: Path,
    parse: Parse,
    *,
    environ: Mapping[str, str],
    flags: Overrides | None = None,
) -> Project:
    """The project at ``directory`` (what ``-C`` names, else the working directory).

    ``parse`` reads YAML and is called only if there is a ``reconciler.yaml``. InvalidProjectFile with all its problems,
    UsageError for a folder or an environment that is not there.
    """
    flags = flags or Overrides()
    directory = Path(os.path.abspath(directory))  # not resolved: messages name paths as the user knows them
    if not fs.exists(directory):
        raise UsageError(f"There is no folder {directory}", suggestion="Name the project's folder with -C DIR.")
    file = directory / FILE_NAME
    found = ProjectFile()
    if fs.exists(file):
        found, problems = read_settings(parse(file), file)
        if problems:
            raise InvalidProjectFile(problems)
    name = flags.environment or environ.get("RECONCILER_ENVIRONMENT") or None
    chosen = _environment(found, name, file)
    said = Overrides(
        manifests=flags.manifests or _listed(environ.get("RECONCILER_MANIFESTS")),
        state_path=flags.state_path or environ.get("RECONCILER_STATE_PATH"),
        home=flags.home or environ.get("RECONCILER_HOME"),
    )
    manifests = said.manifests or chosen.manifests or found.settings.manifests or (DEFAULT_MANIFESTS,)
    base = found.settings
    base_home = _under(directory, base.home) if base.home else _default_home(directory, environ)
    home = _home(directory, said.home or chosen.home, base_home, name)
    _refuse_as_home(home, directory)
    return Project(
        directory=directory,
        manifests=tuple(Path(each).expanduser() for each in manifests),
        state_path=_state_path(directory, said.state_path or chosen.state_path, base.state_path, name),
        home=home,
        environment=name,
        warnings=_home_in_git(fs, home),
    )


def _environment(found: ProjectFile, name: str | None, file: Path) -> Settings:
    if name is None:
        return Settings()
    if name in found.environments:
        return found.environments[name]
    near = nearest(name, found.environments)
    if not found.environments:
        raise UsageError(
            f'There is no environment "{name}": this project declares none',
            suggestion=f"Declare it under environments in {file}, or leave out -e and RECONCILER_ENVIRONMENT.",
        )
    known = f"Declared: {', '.join(sorted(found.environments))}."
    raise UsageError(
        f'There is no environment "{name}"',
        suggestion=f"Did you mean {near}? {known}" if near else known,
        file=str(file),
        path="environments",
    )


def _state_path(directory: Path, own: str | None, base: str | None, environment: str | None) -> Path:
    """``own`` is what a flag, a variable or the environment says. Two environments never share a state by omission:
    one that says nothing gets the project's path with its name in it."""
    if own:
        return _under(directory, own)
    path = _under(directory, base or _DEFAULT_STATE)
    return path.parent / environment / path.name if environment else path


def _home(directory: Path, own: str | None, base: Path, environment: str | None) -> Path:
    """As for the state: two environments never share their keys by omission."""
    if own:
        return _under(directory, own)
    return base / environment if environment else base


def _default_home(directory: Path, environ: Mapping[str, str]) -> Path:
    """In the user's data folder. The hash tells two projects with folders of one name apart."""
    base = environ.get("XDG_DATA_HOME", "")
    data = Path(base) if base.startswith("/") else Path(environ.get("HOME") or Path.home()) / ".local" / "share"
    digest = hashlib.sha256(os.fsencode(directory.resolve())).hexdigest()[:8]
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", directory.name).strip("-.") or "project"
    return data / "reconciler" / f"{name}-{digest}"


def _refuse_as_home(home: Path, directory: Path) -> None:
    if home == directory or home in directory.parents:
        raise UsageError(
            f"The home {home} holds the project itself",
            detail="The home is private to its owner (0700) and belongs to the embedded providers alone.",
            suggestion=f"Name a folder of its own: {directory / '.reconciler'} for one.",
            path="home",
        )


def _home_in_git(fs: Fs, home: Path) -> tuple[Diagnostic, ...]:
    if fs.exists(home / ".gitignore"):
        return ()  # `init` put it there: nothing of the home is committed by accident, and once is enough to be told
    for folder in home.parents:
        if fs.exists(folder / ".git"):
            return (
                Diagnostic(
                    code="home-in-git",
                    severity="warning",
                    summary=f"The home {home} lies in the git work tree {folder}: keep keys and data out of commits",
                    suggestion="Its own .gitignore, made with it, hides it from git. Or set home in reconciler.yaml to "
                    "another place.",
                    path="home",
                ),
            )
    return ()


def _listed(value: str | None) -> tuple[str, ...]:
    return tuple(each for each in (value or "").split(os.pathsep) if each)


def _under(directory: Path, path: str) -> Path:
    return Path(os.path.abspath(directory / Path(path).expanduser()))
