"""A cluster as ``show`` has it, for the tests of views."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from reconciler.model.shown import Happening, Shown

_BEGUN = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
SHOWN = Shown(
    facts={"status": "resizing", "nodes": 2, "change": {"verb": "encrypt", "secondsLeft": 75.2}, "copy": None},
    lines=(
        ("status", "resizing"),
        ("nodes", "ra3.large × 2"),
        ("under way", "encrypt, 1,000 of 4,000 bytes, 1 of 4 segments, 40 bytes a second, about 75 s left"),
    ),
    events=(
        Happening(
            at=_BEGUN + timedelta(minutes=1),
            category="security",
            severity="ERROR",
            message="The root key of cluster sales is disabled",
        ),
        Happening(at=_BEGUN, category="management", severity="INFO", message="Cluster sales was \x1b[2Jcreated"),
    ),
)
EMPTY = Shown(facts={}, lines=(("status", "available"),))
