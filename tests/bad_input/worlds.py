"""The worlds that cases begin in, by name: each function of the modules below, with spaces for underscores.

What takes an apply is made once and copied.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import ModuleType
from typing import Final

from tests.bad_input import machines_in_the_way, projects, stores_gone_wrong
from tests.bad_input.place import Place

World = Callable[[Place], None]

_ONCE: dict[str, Path] = {}


def make_world(names: tuple[str, ...], place: Place, keep: Callable[[str], Path]) -> None:
    """Everything that a case names, in its order. ``keep`` gives a folder that lives as long as the test run."""
    place.project.mkdir(parents=True)
    place.home.mkdir(mode=0o700)
    for name in names:
        if name in APPLIED:
            _copied(name, place, keep)
        else:
            WORLDS[name](place)


def _copied(name: str, place: Place, keep: Callable[[str], Path]) -> None:
    """Something applied: made once and copied."""
    if name not in _ONCE:
        made = Place(root=keep(name.replace(" ", "-")))
        made.project.mkdir()
        APPLIED[name](made)
        projects.reconciler(made, "apply", "--auto-approve")
        for each in made.root.rglob("*.db"):
            with closing(sqlite3.connect(each)) as connection:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        _ONCE[name] = made.root
    for folder in (place.project.name, place.home.name):
        shutil.copytree(_ONCE[name] / folder, place.root / folder, dirs_exist_ok=True)


def _worlds(module: ModuleType) -> dict[str, World]:
    return {
        name.replace("_", " "): function
        for name, function in vars(module).items()
        if callable(function) and function.__module__ == module.__name__ and not name.startswith("_")
    }


APPLIED: Final[dict[str, World]] = {"applied": projects.an_orders_key, "data applied": projects.data}
WORLDS: Final = _worlds(projects) | _worlds(stores_gone_wrong) | _worlds(machines_in_the_way)
