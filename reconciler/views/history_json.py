"""The journal for pipelines (``schemas/state-history.json``)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from reconciler.state.store import Entry
from reconciler.views.json_text import FORMAT_VERSION, timestamp


def history_document(entries: Iterable[Entry], *, lineage: str, serial: int, verified: bool) -> dict[str, Any]:
    """What ``state history --format json`` prints, oldest first."""
    return {
        "formatVersion": FORMAT_VERSION,
        "lineage": lineage,
        "serial": serial,
        "verified": verified,
        "entries": [
            {
                "seq": entry.seq,
                "number": entry.number,
                "what": str(entry.what),
                "address": None if entry.address is None else str(entry.address),
                "verb": entry.verb or None,
                "step": entry.step or None,
                "serial": entry.serial,
                "token": entry.token,
                "at": timestamp(datetime.fromtimestamp(entry.at, UTC)),
                "text": entry.text or None,
            }
            for entry in entries
        ],
    }
