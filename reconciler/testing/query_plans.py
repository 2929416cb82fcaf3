"""Which statements of a piece of code read a whole table: what a store's indexes are for (PERFORMANCE: no N²)."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Collection
from contextlib import closing
from pathlib import Path

from reconciler.testing.watched_sqlite import watched_sqlite

_SCAN = re.compile(
    r"SCAN (?!CONSTANT|sqlite_master)(\w+)\b(?! VIRTUAL TABLE)(?! USING (COVERING )?INDEX \w*_(open|staged)\b)"
)

_FIRST_FEW = re.compile(r"\bORDER BY\b.*\bLIMIT\b(?! 1\b)", re.IGNORECASE | re.DOTALL)


def scans(statements: Collection[str], stores: Collection[Path], *, small: Collection[str] = ()) -> dict[str, str]:
    """Of the statements those that read a whole table, with the plan's line.

    ``small`` names tables that stay short however large the store is. A
    partial index that is named ``…_open`` or ``…_staged`` holds only what is under way, so reading it whole is no scan;
    nor is reading the rows of a view that the statement itself narrowed: those that it searches for are seen.
    """
    found: dict[str, str] = {}
    for store in stores:
        with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as connection:
            for statement in statements:
                plan = _plan(connection, statement)
                made = {line.split()[-1] for line in plan if line.startswith(("CO-ROUTINE ", "MATERIALIZE "))}
                for line in plan:
                    scanned = _SCAN.match(line)
                    if scanned and _table(statement, scanned.group(1)) not in made.union(small):
                        found[" ".join(statement.split())] = line
    return found


def sorts(statements: Collection[str], stores: Collection[Path]) -> dict[str, str]:
    """Those that ask for the first few rows in an order that no index has, with the plan's line: each time they are
    asked for the next few, all that are left are sorted."""
    found: dict[str, str] = {}
    for store in stores:
        with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as connection:
            for statement in (one for one in statements if _FIRST_FEW.search(one)):
                lines = [line for line in _plan(connection, statement) if line.startswith("USE TEMP B-TREE FOR")]
                found.update({" ".join(statement.split()): line for line in lines})
    return found


def begun_by(work: Callable[[], object]) -> Collection[str]:
    """The statements that SQLite began while ``work`` ran, which must open its connections itself."""
    statements: dict[str, None] = {}

    def note(statement: str) -> bool:
        statements[statement] = None
        return False

    with watched_sqlite(note):
        work()
    return statements


def _plan(connection: sqlite3.Connection, statement: str) -> list[str]:
    """The plan's lines; none for a statement that is not of this store, or has no plan."""
    if not statement.lstrip().upper().startswith(("SELECT", "UPDATE", "DELETE", "INSERT")):
        return []
    try:
        return [str(row[3]) for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}")]
    except sqlite3.OperationalError:
        return []


def _table(statement: str, alias: str) -> str:
    """The table that an alias of the statement stands for."""
    found = re.search(rf"\b(?:FROM|JOIN)\s+(\w+)\s+(?:AS\s+)?{alias}\b", statement, re.IGNORECASE)
    return found.group(1) if found else alias
