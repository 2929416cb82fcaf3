"""The one inventory, taken: all declared providers are asked once, and our own state is read."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from reconciler.errors import ReconcilerError
from reconciler.model.ports import Services
from reconciler.planning import own_state, sweeping
from reconciler.planning.concerned import rows_about
from reconciler.planning.inventory import Inventory, joined
from reconciler.providers.census import Census, TakesCensus
from reconciler.providers.plugin import HSM, KEYS, serves
from reconciler.resources.planned import Declared
from reconciler.state.store import StateReader

_FEW = 20  # up to here a census is asked of each key; past that, of all at once


def take_inventory(
    services: Services,
    *,
    protocols: Mapping[str, str],
    census: TakesCensus,
    state: StateReader,
    keys: Collection[str] | None = None,
    declared: Declared | None = None,
) -> Inventory:
    """Everything that exists, or what concerns those keys (ARNs). ``protocols`` is that of each declared Provider.
    With what is ``declared``, of the state only the rows that its heads tell to be concerned."""
    taken = _census(census, keys)
    known = {use.grant_id: use.arn for use in taken.uses if use.grant_id is not None}
    parts = [sweeping.of_data(taken), sweeping.of_copying(taken, services)]
    unreachable = []
    for provider in sorted(name for name, protocol in protocols.items() if serves(protocol, KEYS)):
        try:
            parts.append(sweeping.of_keys(provider, services, keys, known))
        except ReconcilerError:
            # What is sealed under its keys has been counted; it alone knows of grants that nobody else does.
            unreachable.append(f"Provider/{provider}")
    for provider in sorted(name for name, protocol in protocols.items() if serves(protocol, HSM)):
        try:
            parts.append(sweeping.of_partitions(provider, services, keys))
        except ReconcilerError:
            unreachable.append(f"Provider/{provider}")
    found = joined(parts)
    if keys is None:
        found = joined([found, sweeping.beside(found, protocols, services)])
    narrow = keys is not None and len(keys) <= _FEW and declared is not None
    rows = rows_about(found, keys or (), state, declared or {}) if narrow else state.all()
    unreachable = [*own_state.undeclared(rows, protocols), *unreachable]
    own = Inventory(entries=tuple(own_state.own_entries(rows, state.open_intents())), unreachable=tuple(unreachable))
    return own_state.recognised(joined([found, own]), rows)


def _census(census: TakesCensus, keys: Collection[str] | None) -> Census:
    if keys is None or len(keys) > _FEW:
        return census()
    parts = [census(key) for key in sorted(keys)]
    # What nobody knows the key of comes with each of them.
    pairs = dict.fromkeys(pair for part in parts for pair in zip(part.uses, part.by, strict=True))
    return Census(
        uses=tuple(use for use, _ in pairs),
        by=tuple(by for _, by in pairs),
        unreachable=tuple(dict.fromkeys(name for part in parts for name in part.unreachable)),
    )
