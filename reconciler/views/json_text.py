"""How a JSON document is written, and how time stands in one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from reconciler.views.safe_text import clean_json

FORMAT_VERSION = 1


def render_json(document: Mapping[str, Any]) -> str:
    """The document, indented for people, keys in the order of the contract.

    TypeError for a value that JSON does not know: what cannot be shown safely (bytes above all) is not guessed at.
    """
    return clean_json(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)) + "\n"


def render_json_line(document: Mapping[str, Any]) -> str:
    """The document on one line, for streams."""
    return clean_json(json.dumps(document, separators=(",", ":"), ensure_ascii=False, allow_nan=False)) + "\n"


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC: ``2026-01-05T09:00:00Z``."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
