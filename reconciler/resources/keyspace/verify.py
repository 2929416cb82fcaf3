"""A keyspace holds tables, which are proved themselves; it has nothing of its own to prove but that it is there."""

from __future__ import annotations

from collections.abc import Iterable

from reconciler.model.ports import Services
from reconciler.providers.proofs import THERE, Check, Witness, unprotected
from reconciler.resources.keyspace.observe import KeyspaceObservation, observe
from reconciler.resources.keyspace.spec import KeyspaceSpec
from reconciler.resources.kind import Target, VerifyInput


def verify(
    given: VerifyInput[KeyspaceSpec, KeyspaceObservation], services: Services, witness: Witness
) -> Iterable[Check]:
    """It is there."""
    target = Target(address=given.address, provider=given.provider, attributes=given.attributes)
    if observe([target], services).get(given.address) is None:
        return [unprotected(THERE, f"{given.address} is gone", "Run `reconciler plan`: it says what to make again.")]
    return [Check(what=THERE)]
