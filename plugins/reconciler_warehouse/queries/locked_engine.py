"""DuckDB in memory, locked down: it sees the tables that it is given, no file, no network, no setting, no extension.

Nothing in it is spilled: what does not fit into memory is an error (DATAPLANE 1b). Needs duckdb.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Any, Final, TypeVar

import duckdb
import pyarrow as pa  # type: ignore[import-untyped]  # pyarrow ships no types

from reconciler.errors import DamagedStore, ReconcilerError, ValidationException
from reconciler.model.ports import Interruptible
from reconciler.providers.plugin import NeverInterrupted
from reconciler_warehouse.queries.dataset import Reading
from reconciler_warehouse.queries.statements import INTERNAL
from reconciler_warehouse.queries.table_state import Moved

LOCK_DOWN: Final = (
    "SET TimeZone = 'UTC'",
    "SET integer_division = true",  # as Redshift divides: integers to an integer, and by zero never
    "SET ieee_floating_point_ops = false",
    "SET autoinstall_known_extensions = false",
    "SET autoload_known_extensions = false",
    "SET allow_community_extensions = false",
    "SET allow_persistent_secrets = false",
    "SET max_temp_directory_size = '0KB'",
    "SET temp_directory = ''",
    "SET python_enable_replacements = false",
    "SET enable_external_access = false",
    "SET disabled_filesystems = 'LocalFileSystem'",
    "SET lock_configuration = true",
)
NEVER: Final = NeverInterrupted()
Answer = TypeVar("Answer")
_ABOUT_NAMES: Final = (duckdb.BinderException, duckdb.CatalogException)
_LITERAL: Final = re.compile(r"'[^']*'")
_INTO: Final = re.compile(
    r"\b(?:to|type) (U?(?:HUGEINT|INT)\d*|FLOAT|DOUBLE|BOOL|DATE|TIME|TIMESTAMP(?: WITH TIME ZONE)?|INTERVAL"
    r"|DECIMAL\(\d+,\d+\))(?: failed: .*| when casting from source column .*)?[!.]?$"
)
_TELLABLE: Final = {  # how a message begins, and what it goes on with that may be a value
    "More than one row returned by a subquery": None,
    "Unimplemented type for cast": None,
    "Overflow in division": " of ",
    "Overflow in ": " (",
    "Division by zero": " in ",
}


@contextmanager
def locked_engine(
    tables: Mapping[str, Sequence[Any]], interruptible: Interruptible = NEVER
) -> Iterator[duckdb.DuckDBPyConnection]:
    """An engine that knows these tables, each of one or more datasets of the same columns. What runs in it fails once a
    stop is asked for: nothing else ends a statement that would go on for ever."""
    with closing(duckdb.connect(":memory:")) as engine, interruptible.interrupted_by(engine.interrupt):
        for name, datasets in tables.items():
            if len(datasets) == 1:
                engine.register(name, datasets[0])
                continue
            parts = [f"{INTERNAL}{number} {name}" for number in range(len(datasets))]
            for part, dataset in zip(parts, datasets, strict=True):
                engine.register(part, dataset)
            union = " UNION ALL ".join(f"SELECT * FROM {quoted(part)}" for part in parts)  # noqa: S608  # names of ours
            engine.execute(f"CREATE TEMP VIEW {quoted(name)} AS {union}")
        for setting in LOCK_DOWN:
            engine.execute(setting)
        yield engine


def answered(reading: Reading, work: Callable[[], Answer]) -> Answer:
    """What ``work`` with an engine answers. What goes wrong in it is raised as our own error: that of the reading where
    there is one behind it, and then also when the engine itself noticed nothing."""
    refused: Exception | None = None
    try:
        answer = work()
    except (duckdb.Error, pa.ArrowException, OSError) as error:
        refused = explained(reading.failure, error)
    # Outside of the handler: DuckDB's exception would live on in ours, and the engine with it.
    if refused is None and reading.failure is not None:
        refused = explained(reading.failure, reading.failure)
    if refused is not None:
        raise refused
    return answer


def explained(failure: Exception | None, error: BaseException) -> Exception:
    """Our own error where there is one behind the engine's, else the engine's in one line, without a value of a row or
    of the statement: errors reach logs and reports (I19)."""
    if isinstance(failure, FileNotFoundError):
        return Moved(f"segment {failure.filename} is not there")
    if isinstance(failure, ReconcilerError):
        return failure
    if failure is not None:
        return DamagedStore(
            f"A segment is not what was written: {type(failure).__name__}",
            suggestion="Nothing of it was used. Restore the warehouse's folder from a backup.",
        )
    if isinstance(error, duckdb.OutOfMemoryException):
        return ValidationException(
            "The statement needs more memory than there is",
            suggestion="Select fewer columns or rows; plaintext is never spilled to the disk.",
        )
    return ValidationException(f"The statement cannot be answered: {_told(error)}")


def _told(error: BaseException) -> str:
    text = str(error).strip().partition("\n")[0]
    if isinstance(error, _ABOUT_NAMES):
        return _LITERAL.sub("a text", text.replace("'//(", "'/("))
    kind, _, message = text.partition(": ")
    for known, value_after in _TELLABLE.items():
        if message.startswith(known):
            return f"{kind}: {message.partition(value_after)[0] if value_after else message}"
    into = _INTO.search(text)
    return f"{kind}: a value does not become {into.group(1)}" if into else f"{kind}: a value in it is not right"


def quoted(name: str) -> str:
    """An identifier for DuckDB."""
    return '"' + name.replace('"', '""') + '"'
