"""The lock for pipelines (``schemas/lock-list.json``)."""

from __future__ import annotations

from typing import Any

from reconciler.state.liveness import Liveness
from reconciler.state.store import Holder
from reconciler.views.json_text import FORMAT_VERSION
from reconciler.views.lock_text import time_text


def lock_list_document(found: Holder | None, standing: Liveness | None, *, lineage: str) -> dict[str, Any]:
    """What ``lock list --format json`` prints: the state's lock when it is held, no lock when it is free."""
    locks = []
    if found is not None and standing is not None:
        locks.append(
            {
                "token": found.token,
                "who": found.who,
                "host": found.host,
                "pid": found.pid,
                "command": found.command,
                "since": time_text(found.since),
                "leaseUntil": time_text(found.expires),
                "holder": str(standing),
            }
        )
    return {"formatVersion": FORMAT_VERSION, "lineage": lineage, "locks": locks}
