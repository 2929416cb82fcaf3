"""A statement's answer for pipelines (``schemas/query-result.json``)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date, time
from decimal import Decimal
from typing import Any

from reconciler.providers.data import QueryResult
from reconciler.views.json_text import FORMAT_VERSION


def result_document(result: QueryResult) -> dict[str, Any]:
    """Columns and rows. What JSON has no type for is a string: decimals exactly as they are, dates and times in
    ISO 8601, bytes in hex, NaN and the infinities by name."""
    return {
        "formatVersion": FORMAT_VERSION,
        "columns": list(result.columns),
        "rows": [[plain_value(value) for value in row] for row in result.rows],
    }


def plain_value(value: Any) -> Any:
    """The value as JSON knows it."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, (list, tuple)):
        return [plain_value(part) for part in value]
    if isinstance(value, Mapping):
        return {str(key): plain_value(part) for key, part in value.items()}
    return _text(value)


def _text(value: Any) -> str:
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, (date, time)):  # a datetime is a date
        return value.isoformat()
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value).hex()
    return str(value)  # UUID, interval
