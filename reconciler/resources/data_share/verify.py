"""A share holds no data: what is proved of it is that it shows the declared tables, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable

from reconciler.model.ports import Services
from reconciler.providers.proofs import THERE, Check, Witness, unchecked, unprotected
from reconciler.resources.data_share.drift import ACTIVE
from reconciler.resources.data_share.observe import DataShareObservation, observe
from reconciler.resources.data_share.spec import DataShareSpec
from reconciler.resources.kind import Target, VerifyInput


def verify(
    given: VerifyInput[DataShareSpec, DataShareObservation], services: Services, witness: Witness
) -> Iterable[Check]:
    """It is there, and its consumer sees what the manifest names."""
    target = Target(address=given.address, provider=given.provider, attributes=given.attributes)
    found = observe([target], services).get(given.address)
    if found is None:
        return [unprotected(THERE, f"{given.address} is gone", "Run `reconciler plan`: it says what to make again.")]
    more = sorted(set(found.tables) - set(found.tables if given.spec is None else given.spec.tables))
    if more:
        return [
            unprotected(
                THERE,
                f"{given.address} shows {', '.join(more)}, which its manifest does not name",
                "Run `reconciler apply`: it shares the declared tables only.",
            )
        ]
    if found.status != ACTIVE:
        return [
            unchecked(THERE, f"{given.address} is {found.status}", "Mend its producer and its consumer: see `drift`.")
        ]
    return [Check(what=THERE)]
