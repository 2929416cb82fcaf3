"""The door of any account and Region under one home, with its store behind it."""

from __future__ import annotations

from reconciler.providers.plugin import ProviderServices
from reconciler_softkms.door import Door
from reconciler_softkms.identities import Identities
from reconciler_softkms.rows import Names
from reconciler_softkms.sealing.declared import SealsOf
from reconciler_softkms.siblings import Siblings
from reconciler_softkms.store import Store


def open_door(services: ProviderServices, identities: Identities, account: str, region: str, seals: SealsOf) -> Door:
    """Makes nothing and opens no file; the doors beside it are opened when they are asked for."""

    def sibling(account: str, region: str) -> Door:
        return open_door(services, identities, account, region, seals)

    folder = services.home / "softkms" / account / region
    store = Store(folder, services.fs, services.random, services.fence, seals(folder, account, region))
    return Door(
        store,
        services.clock,
        services.random,
        Names(account, region),
        identities=identities,
        siblings=Siblings(sibling),
    )
