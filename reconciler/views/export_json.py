"""What an export wrote, for pipelines (``schemas/export.json``)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reconciler.providers.warehouse import ExportedTable
from reconciler.views.json_text import FORMAT_VERSION


def export_document(tables: Sequence[ExportedTable], *, folder: str, form: str) -> dict[str, Any]:
    """Tables and their files, relative to the folder."""
    return {
        "formatVersion": FORMAT_VERSION,
        "folder": folder,
        "form": form,
        "tables": [
            {"name": one.name, "rows": one.rows, "bytes": one.bytes, "files": list(one.files)} for one in tables
        ],
    }
