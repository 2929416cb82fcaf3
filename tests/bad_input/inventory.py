"""Everything that a command must not lose: each file of a project and its home, each row of each store."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

Inventory = dict[str, frozenset[str] | bytes]

# Every request is recorded, denied ones too (AU1), and every writer takes the lock.
_GROWING = frozenset({"audit", "audit_head", "audit_said", "fence", "lease", "mark", "meta", "sqlite_sequence"})
_OF_SQLITE = ("-wal", "-shm")


def inventory(folders: Iterable[Path]) -> Inventory:
    """Content by path, for a store ``path:table`` with its rows."""
    found: Inventory = {}
    for folder in folders:
        for path in sorted(each for each in folder.rglob("*") if each.is_file() and not each.is_symlink()):
            name = f"{folder.name}/{path.relative_to(folder)}"
            if path.name.endswith(_OF_SQLITE) or path.parent.name == "cache":  # thrown away when in doubt
                continue
            tables = _tables(path)
            if tables is None:
                found[name] = path.read_bytes()
            else:
                found.update({f"{name}:{table}": rows for table, rows in tables.items()})
    return found


def lost(before: Inventory, after: Inventory, may_change: frozenset[str]) -> list[str]:
    """What was there before and is no more, or not the same."""
    sentences = []
    for name, content in before.items():
        if name.rpartition(":")[2] in may_change:
            continue
        now = after.get(name)
        if isinstance(content, frozenset) and isinstance(now, frozenset):
            sentences += [f"{name} lost the row {row}" for row in sorted(content - now)]
        elif now != content:
            sentences.append(f"{name} is {'gone' if now is None else 'another'}")
    return sentences


def made(before: Inventory, after: Inventory) -> list[str]:
    """What is there now and was not before."""
    sentences = []
    for name, content in after.items():
        was = before.get(name)
        if was is None:
            sentences.append(f"{name} is new")
        elif isinstance(content, frozenset) and isinstance(was, frozenset) and content - was:
            sentences.append(f"{name} has new rows")
    return sentences


def _tables(path: Path) -> dict[str, frozenset[str]] | None:
    """The rows of a SQLite file; None for anything else, and for what SQLite cannot read."""
    if not path.read_bytes()[:16].startswith(b"SQLite format 3"):
        return None
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            return {
                name: frozenset(map(repr, connection.execute(f'SELECT * FROM "{name}"')))  # noqa: S608  # its own names
                for name in names
                if name not in _GROWING
            }
    except sqlite3.DatabaseError:
        return None
