"""What ``init`` makes: the home (0700), the project seal and an empty state. Each once; again changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reconciler.host.durable import make_folder, replace
from reconciler.host.ownership import make_private
from reconciler.host.sqlite import explain_os_error
from reconciler.model.ports import Clock, Fs, Random
from reconciler.state.seal import FILE_NAME, create_seal, open_seal
from reconciler.state.sqlite_reader import lost_seal
from reconciler.state.sqlite_store import SqliteState


@dataclass(frozen=True, slots=True, kw_only=True)
class Initialised:
    """``made`` are the paths that this call made (empty: all was there); ``lineage`` is the state's."""

    made: tuple[Path, ...]
    lineage: str


def initialise(fs: Fs, random: Random, clock: Clock, *, home: Path, state_path: Path) -> Initialised:
    """Make what is missing of a project's home, seal and state. Safe to repeat, and for several processes at once.
    A seal is made for a new state only: OtherSeal when a state is there and its seal is not. DamagedStore, NewerFormat,
    HostError."""
    made = [home] if prepare_home(fs, random, home) else []
    try:
        had_state = fs.exists(state_path)
        has_seal = fs.exists(home / FILE_NAME)
    except OSError as error:
        raise explain_os_error(error, state_path, "state") from error
    if had_state and not has_seal:
        raise lost_seal(state_path)
    if create_seal(fs, random, home):
        made.append(home / FILE_NAME)
    state = SqliteState(state_path, seal=open_seal(fs, home), clock=clock, random=random)
    try:
        lineage = state.lineage
    finally:
        state.close()
    if not had_state:
        made.append(state_path)
    return Initialised(made=tuple(made), lineage=lineage)


def prepare_home(fs: Fs, random: Random, home: Path) -> bool:
    """Make ``home`` if it is not there, private to this user (0700) and hidden from git; whether this call made it.
    HostError."""
    made = False
    try:
        if fs.exists(home):
            fs.listdir(home)  # before anything is done to it: what is no folder stays as it is
        else:
            make_folder(fs, home)
            made = True
    except OSError as error:
        raise explain_os_error(error, home, "home") from error
    make_private(home)
    _hide_from_git(fs, random, home)
    return made


def _hide_from_git(fs: Fs, random: Random, home: Path) -> None:
    """A home within a git work tree ignores itself, so that no key store is ever committed by accident."""
    path = home / ".gitignore"
    try:
        if fs.exists(path):
            return
        replace(fs, path, b"*\n", random)
    except OSError as error:
        raise explain_os_error(error, path, "home") from error
