"""``import``: an object that exists becomes a resource's, and nothing of it changes."""

from __future__ import annotations

from dataclasses import replace

from reconciler.errors import ResourceNotFoundException
from reconciler.model.ports import Services
from reconciler.model.recorded import Recorded
from reconciler.resources import registry
from reconciler.resources.kind import Target
from reconciler.state.store import StateStore


def adopt(store: StateStore, services: Services, row: Recorded) -> int:
    """Record ``row``, whose object its kind has found: the state's new serial. The lock is held. Intent before, a look
    at the object after it (I10); killed in between, nothing is recorded and the command can be given again."""
    intent = store.begin(
        row.address,
        provider=row.provider,
        step="import",
        verb="import",
        facts={"attributes": dict(row.attributes)},
        uid=services.random.bytes(16).hex(),
        token=services.random.bytes(16).hex(),
    )
    target = Target(address=row.address, provider=row.provider, attributes=row.attributes)
    if registry.kind(row.address.kind).observe([target], services).get(row.address) is None:
        store.abandon(intent, "the object is gone")
        raise ResourceNotFoundException(
            f"{row.identity} is gone from Provider/{row.provider}; nothing was imported", address=row.address
        )
    return store.finish(intent, replace(row, uid=intent.uid))
