"""A statement's answer as a table for people."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from reconciler.providers.data import QueryResult
from reconciler.views.quantity import count_text
from reconciler.views.result_json import plain_value
from reconciler.views.safe_text import clean, display_width
from reconciler.views.value_text import value_text


def render_result_table(result: QueryResult) -> str:
    """Aligned columns, numbers to the right, ``NULL`` for none, and the number of rows."""
    cells = [[_cell(value) for value in row] for row in result.rows]
    header = [clean(name) for name in result.columns]
    widths = [
        max([display_width(name), *(display_width(row[index]) for row in cells)]) for index, name in enumerate(header)
    ]
    right = [_is_numeric(result, index) for index in range(len(header))]
    lines = [_row(header, widths, right), "-+-".join("-" * width for width in widths)]
    lines += [_row(row, widths, right) for row in cells]
    return "\n".join([*lines, f"({count_text(len(cells), 'row')})"]) + "\n"


def _row(cells: list[str], widths: list[int], right: list[bool]) -> str:
    padded = []
    for cell, width, numeric in zip(cells, widths, right, strict=True):
        gap = " " * (width - display_width(cell))
        padded.append(gap + cell if numeric else cell + gap)
    return " | ".join(padded).rstrip()


def _cell(value: Any) -> str:
    if value is None:
        return "NULL"
    plain = plain_value(value)
    return clean(plain) if isinstance(plain, str) else value_text(plain)


def _is_numeric(result: QueryResult, index: int) -> bool:
    values = [row[index] for row in result.rows if row[index] is not None]
    return bool(values) and all(isinstance(one, (int, float, Decimal)) and not isinstance(one, bool) for one in values)
