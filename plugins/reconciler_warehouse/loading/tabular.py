"""Files to load as Arrow tables: column names and types, inferred once per table and then pinned.

Needs pyarrow; imported at the first load.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]  # pyarrow ships no types
import pyarrow.csv as pacsv  # type: ignore[import-untyped]  # pyarrow ships no types

from reconciler.errors import ValidationException
from reconciler.model.ports import Fs
from reconciler_warehouse.blocks.row_groups import grouped
from reconciler_warehouse.foreign.process import ForeignParquet, Unwrap, no_keys
from reconciler_warehouse.loading.sources import CSV, csv_bytes, form, require_utf_8

BLOCK_BYTES = 8 << 20
ROW_GROUP_ROWS = 1 << 19  # a column's chunk should fill several blocks: at least 500k rows (DATAPLANE 1f)
ROW_GROUP_BYTES = 128 << 20
LONGEST_HEADER = 256 << 10  # all names of the widest table
MOST_COLUMNS = 1600  # of a table, as in the public service
_COLUMN = re.compile(r"CSV column #(\d+)")
_NO_COLUMN = re.compile(r"Column '(.*)' in include_columns does not exist in CSV file")
_TELLABLE = (
    re.compile(r"In CSV column #\d+: (Row #\d+: )?CSV conversion error to \w+"),
    re.compile(r"CSV parse error: (Row #\d+: )?Expected \d+ columns?, got \d+"),
)
_UNQUOTED = re.compile(r":[^:]*$")  # whatever is quoted stands last
_SIMPLE = pa.types
_MEND = "The first file loaded set the types. Load it into a table of its own, or mend the file."


def infer(fs: Fs, path: Path, unwrap: Unwrap = no_keys) -> Any:
    """The Arrow schema of a table whose first file this is. CSV types are widened until the whole file fits. ``unwrap``
    opens the keys of encrypted Parquet files."""
    if form(path) != CSV:
        with ForeignParquet(fs, path, unwrap) as file:
            schema = file.schema()
        return _checked(path, pa.schema([pa.field(one.name, settled(one.type)) for one in schema]))
    schema = _checked(path, _first_guess(fs, path))
    for _ in range(2 * len(schema) + 1):
        try:
            for _batch in _csv_batches(fs, path, schema):
                pass
        except pa.ArrowInvalid as error:
            schema = _widened(path, schema, error)
        else:
            return schema
    raise ValidationException(f"{path.name} has no columns of one type each")


def row_groups(fs: Fs, path: Path, schema: Any, unwrap: Unwrap = no_keys) -> Iterator[Any]:
    """The file's rows under the table's schema, in tables of about a row group each."""
    try:
        for group in grouped(_batches(fs, path, schema, unwrap), rows=ROW_GROUP_ROWS, size=ROW_GROUP_BYTES):
            yield pa.Table.from_batches(group, schema)
    except pa.ArrowException as error:
        raise ValidationException(
            f"{path.name} does not fit the table's columns: {told(error)}",
            suggestion=_MEND,
        ) from None


def settled(kind: Any) -> Any:
    """The type that a column keeps: one that Parquet gives back as it was."""
    if _SIMPLE.is_timestamp(kind):
        return pa.timestamp("us", tz=kind.tz)
    if _SIMPLE.is_null(kind) or _SIMPLE.is_large_string(kind):
        return pa.string()
    if _SIMPLE.is_time(kind):
        return pa.time64("us")
    if _SIMPLE.is_dictionary(kind):
        return settled(kind.value_type)
    return kind


def told(error: BaseException) -> str:
    """What an engine's message says without the values of rows that it quotes: errors reach logs and reports (I19)."""
    text = str(error).strip().partition("\n")[0]
    absent = _NO_COLUMN.match(text)
    if absent:
        return f"it has no column {absent[1]}"
    for known in _TELLABLE:
        found = known.match(text)
        if found:
            return found.group()
    return "a value in it is not what its column takes" if "value" in text or "'" in text else _UNQUOTED.sub("", text)


def _batches(fs: Fs, path: Path, schema: Any, unwrap: Unwrap) -> Iterator[Any]:
    if form(path) == CSV:
        yield from _csv_batches(fs, path, schema)
        return
    with ForeignParquet(fs, path, unwrap) as file:
        there = _checked(path, file.schema()).names
        missing = [name for name in schema.names if name not in there]
        if missing:
            raise ValidationException(
                f"{path.name} has no column {missing[0]}, which the table has",
                suggestion=_MEND,
            )
        for batch in file.batches(schema.names):
            yield from pa.Table.from_batches([batch]).cast(schema).to_batches()


def _csv_batches(fs: Fs, path: Path, schema: Any) -> Iterator[Any]:
    require_utf_8(fs, path)
    options = pacsv.ConvertOptions(column_types=schema, include_columns=schema.names)
    with ExitStack() as stack:
        source = stack.enter_context(csv_bytes(fs, path))
        reader = stack.enter_context(
            pacsv.open_csv(
                source,
                read_options=pacsv.ReadOptions(block_size=BLOCK_BYTES),
                parse_options=pacsv.ParseOptions(newlines_in_values=True),
                convert_options=options,
            )
        )
        yield from reader


def _first_guess(fs: Fs, path: Path) -> Any:
    """Types as the first block suggests them."""
    require_utf_8(fs, path)
    try:
        with csv_bytes(fs, path) as source:
            header = source.read(LONGEST_HEADER + 1).partition(b"\n")[0]
        if len(header) > LONGEST_HEADER:
            raise ValidationException(f"{path.name} is not a CSV file with a header: its first line has no end")
        with (
            csv_bytes(fs, path) as source,
            pacsv.open_csv(
                source,
                read_options=pacsv.ReadOptions(block_size=BLOCK_BYTES),
                parse_options=pacsv.ParseOptions(newlines_in_values=True),
            ) as reader,
        ):
            return pa.schema([pa.field(one.name, settled(one.type)) for one in reader.schema])
    except pa.ArrowException as error:
        raise ValidationException(f"{path.name} is not a CSV file with a header: {told(error)}") from None
    except UnicodeDecodeError:
        raise ValidationException(
            f"{path.name} is not a CSV file with a header: its first line is not UTF-8",
            suggestion="Save it as UTF-8, or name the file that was meant.",
        ) from None


def _widened(path: Path, schema: Any, error: BaseException) -> Any:
    """The schema with a wider type for the column that did not fit: int64 → double → string."""
    found = _COLUMN.search(str(error))
    index = int(found.group(1)) if found else -1
    if not 0 <= index < len(schema) or _SIMPLE.is_string(schema.field(index).type):
        raise ValidationException(f"{path.name} cannot be read: {told(error)}") from None
    field = schema.field(index)
    wider = pa.float64() if _SIMPLE.is_integer(field.type) else pa.string()
    return schema.set(index, pa.field(field.name, wider))


def _checked(path: Path, schema: Any) -> Any:
    seen: set[str] = set()
    for name in schema.names:
        if any(unicodedata.category(letter) == "Cc" for letter in name):
            raise ValidationException(f"{path.name} has a control character in the name of a column")
        if not name.strip() or name.lower() in seen:
            problem = f"two columns called {name}" if name.strip() else "a column without a name"
            raise ValidationException(f"{path.name} has {problem}; names differ by more than case")
        seen.add(name.lower())
    if len(schema) > MOST_COLUMNS:
        raise ValidationException(f"{path.name} has {len(schema)} columns; a table has at most {MOST_COLUMNS}")
    if not schema.names:
        raise ValidationException(f"{path.name} has no columns")
    return schema
