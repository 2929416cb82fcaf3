"""Every SQLite statement of the process, counted and stopped when told to: an error or a kill at any (T1, T3)."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch


@contextmanager
def watched_sqlite(on_statement: Callable[[str], bool]) -> Iterator[None]:
    """Connections made inside call ``on_statement`` with the SQL as each statement begins.

    Answering True makes SQLite give the statement up with an error ("interrupted"), as it would for a failing disk. A
    callback that kills the process kills it between two statements, COMMIT included.
    """
    connect = sqlite3.connect

    def watched(*arguments: Any, **named: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*arguments, **named)
        stop = False

        def begin(statement: str) -> None:
            nonlocal stop
            stop = on_statement(statement)

        connection.set_trace_callback(begin)
        connection.set_progress_handler(lambda: int(stop), 1)
        return connection

    with patch.object(sqlite3, "connect", watched):
        yield
