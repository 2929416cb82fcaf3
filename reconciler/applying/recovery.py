"""Take up an interrupted apply: what was begun and has no outcome is resolved by observing, never by assuming (I10)."""

from __future__ import annotations

from reconciler.model import event
from reconciler.model.ports import Services
from reconciler.model.recorded import Intent, Recorded
from reconciler.resources import registry
from reconciler.state.store import StateStore


def recover(store: StateStore, services: Services, emit: event.Emit) -> int:
    """Record the objects that interrupted creates made; how many steps were left open.

    Other steps stay open: the plan that follows sees what they did, and either takes the same step up again with its
    token or no longer needs it (``close_superseded``).
    """
    intents = list(store.open_intents())
    for intent in intents:
        row = store.get(intent.address)
        if row is not None and row.identity is not None:
            emit(_resumed(intent, "the plan below is made from what is there now"))
            continue
        attributes = registry.kind(intent.address.kind).recover(intent, services)
        if attributes is None:
            emit(_resumed(intent, "nothing of it was found; the step is planned again"))
            continue
        made = Recorded(
            address=intent.address,
            uid=intent.uid,
            provider=intent.provider,
            attributes={name: value for name, value in attributes.items() if value is not None},
            protected=registry.kind(intent.address.kind).protected,
        )
        store.finish(intent, made)
        emit(_resumed(intent, f"it was carried out: found {made.identity}"))
    return len(intents)


def close_superseded(store: StateStore) -> None:
    """After an apply that did everything planned: no step that is still open is needed any more."""
    for intent in store.open_intents():
        store.abandon(intent, "a later apply no longer needed it")


def _resumed(intent: Intent, resolution: str) -> event.Resumed:
    return event.Resumed(address=intent.address, step=intent.step, resolution=resolution)
