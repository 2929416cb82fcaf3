"""Take up an interrupted apply: what was begun and has no outcome is resolved by observing, never by assuming (I10)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from reconciler.applying import rows
from reconciler.applying.facts import named
from reconciler.model import event
from reconciler.model.address import Address
from reconciler.model.ports import Services
from reconciler.model.recorded import Intent, Recorded
from reconciler.resources import registry
from reconciler.resources.kind import Target
from reconciler.state.store import StateStore


def recover(store: StateStore, services: Services, emit: event.Emit) -> int:
    """Record what interrupted steps made or changed, as far as that can be seen; how many were left open.

    Other steps stay open: the plan that follows sees what they did, and either takes the same step up again with its
    token or no longer needs it (``close_superseded``).
    """
    intents = list(store.open_intents())
    for intent in intents:
        row = store.get(intent.address)
        if row is not None and row.identity is not None:
            emit(_resumed(intent, _carried_out(store, services, intent, row)))
            continue
        attributes = registry.kind(intent.address.kind).recover(intent, services)
        if attributes is None:
            emit(_resumed(intent, "nothing of it is recorded; taken up again, it goes on under its token"))
            continue
        made = Recorded(
            address=intent.address,
            uid=intent.uid,
            provider=intent.provider,
            attributes={name: value for name, value in attributes.items() if value is not None},
            protected=registry.kind(intent.address.kind).protected,
            references=tuple(dict.fromkeys(named(intent.facts))),
        )
        store.finish(intent, made)
        emit(_resumed(intent, f"it was carried out: found {made.identity}"))
    return len(intents)


def _carried_out(store: StateStore, services: Services, intent: Intent, row: Recorded) -> str:
    """Record what the step left, if it was carried out: the plan that follows may see nothing to do, and nobody would
    ever say what was loaded, or for which trigger."""
    before, row = row, _referring(row, intent)
    kind = registry.kind(row.address.kind)
    target = Target(address=row.address, provider=row.provider, attributes=row.attributes)
    observed = kind.observe([target], services).get(row.address)
    left = None if observed is None else kind.outcome(intent, observed, services)
    if left is None:
        if row != before:
            store.settle([row])
        return "the next plan is made from what is there now"
    store.finish(intent, rows.after_step(row, None, intent, left))
    return "it was carried out; the next plan is made from what is there now"


def _referring(row: Recorded, intent: Intent) -> Recorded:
    """The row, referring to what the interrupted step was about to bring in as well: if the plan that follows removes
    that, it is to wait until this resource has let go of it."""
    return replace(row, references=tuple(dict.fromkeys((*row.references, *named(intent.facts)))))


def close_superseded(store: StateStore, examined: Collection[Address] | None) -> None:
    """After an apply that did everything planned: no step that is still open is needed any more. ``examined`` are the
    resources that a narrowed plan looked at (None: it was not narrowed); the steps of others stay open, with their
    tokens."""
    for intent in store.open_intents():
        if examined is None or intent.address in examined:
            store.abandon(intent, "a later apply no longer needed it")


def _resumed(intent: Intent, resolution: str) -> event.Resumed:
    return event.Resumed(address=intent.address, step=intent.step, resolution=resolution)
