"""What a statement changed, for pipelines (``schemas/statement-result.json``)."""

from __future__ import annotations

from typing import Any

from reconciler.providers.warehouse import StatementResult
from reconciler.views.json_text import FORMAT_VERSION


def statement_document(result: StatementResult) -> dict[str, Any]:
    """The verb, and how many rows it inserted, updated or deleted; null where it is not rows that it changes."""
    return {"formatVersion": FORMAT_VERSION, "statement": result.verb, "rows": result.rows_changed}
