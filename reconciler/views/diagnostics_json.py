"""Errors and warnings for pipelines (``schemas/diagnostics.json``)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reconciler.errors import Diagnostic
from reconciler.views.json_text import FORMAT_VERSION


def diagnostics_document(diagnostics: Sequence[Diagnostic]) -> dict[str, Any]:
    """What ``validate --format json`` prints, and any command that fails with ``--format json``."""
    errors = sum(1 for diagnostic in diagnostics if diagnostic.severity == "error")
    return {
        "formatVersion": FORMAT_VERSION,
        "diagnostics": [diagnostic.as_json() for diagnostic in diagnostics],
        "summary": {"errors": errors, "warnings": len(diagnostics) - errors},
    }
