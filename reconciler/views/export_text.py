"""What an export wrote, for people."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.providers.warehouse import ExportedTable
from reconciler.views.quantity import bytes_text, count_text


def render_export(tables: Sequence[ExportedTable]) -> str:
    """A line for each table."""
    if not tables:
        return "There is no table to export."
    return "\n".join(
        f"{one.name}: {count_text(one.rows, 'row')}, {bytes_text(one.bytes)} in {count_text(len(one.files), 'file')}"
        for one in tables
    )
