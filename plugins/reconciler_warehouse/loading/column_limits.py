"""What a column takes beyond its type: no NULL, no text longer than so many bytes (VARCHAR(20), as Redshift counts).

Both stand in the table's Arrow schema, the length beside the field. Needs pyarrow.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pyarrow as pa  # type: ignore[import-untyped]  # pyarrow ships no types
import pyarrow.compute as pc  # type: ignore[import-untyped]  # pyarrow ships no types

from reconciler.errors import ValidationException

MOST_BYTES: Final = b"reconciler.max_bytes"


def unlimited(schema: Any) -> Any:
    """The same columns and types, taking whatever the types take: what rows are read as before they are looked at."""
    return pa.schema([pa.field(field.name, field.type) for field in schema])


def fitting(tables: Iterator[Any], schema: Any) -> Iterator[Any]:
    """Rows, as Arrow tables, as the table's columns have them. ValidationException."""
    for table in tables:
        yield fitted(table, schema)


def fitted(table: Any, schema: Any) -> Any:
    """Rows as the table's columns have them. ValidationException for a NULL where none may be and for a text that is
    too long; never says which."""
    found = table.cast(unlimited(schema))
    for field in schema:
        values = found.column(field.name)
        if not field.nullable and values.null_count:
            raise ValidationException(f"Column {field.name} takes no NULL", suggestion="Nothing was changed.")
        most = (field.metadata or {}).get(MOST_BYTES)
        if most is not None and (pc.max(pc.binary_length(values)).as_py() or 0) > int(most):
            raise ValidationException(
                f"A value is longer than the {int(most)} bytes of column {field.name}",
                suggestion="Nothing was changed.",
            )
    return found.cast(schema)
