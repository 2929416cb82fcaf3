"""Proof that copies can arrive under the declared key (SC2)."""

from __future__ import annotations

from collections.abc import Iterable

from reconciler.model.ports import Services
from reconciler.providers.data import Root, RootKind
from reconciler.providers.proofs import Check, Witness
from reconciler.providers.typed import caller, proving_warehouse
from reconciler.resources.kind import VerifyInput
from reconciler.resources.reference import name_of
from reconciler.resources.snapshot_copy_grant.observe import SnapshotCopyGrantObservation
from reconciler.resources.snapshot_copy_grant.spec import SnapshotCopyGrantSpec


def verify(
    given: VerifyInput[SnapshotCopyGrantSpec, SnapshotCopyGrantObservation], services: Services, witness: Witness
) -> Iterable[Check]:
    """A canary through the grant's key, there and back."""
    root = Root(kind=RootKind.OWNED)
    if given.spec is not None and given.spec.key is not None:
        root = Root(kind=RootKind.KMS, key_arn=given.spec.key.arn_in(services))
    elif given.spec is None and given.expected is not None:
        root = Root(kind=given.expected.root, key_arn=given.expected.key_arn)
    warehouse = proving_warehouse(services, given.provider)
    return warehouse.prove_copy_grant(caller(services, given.provider), name_of(given.attributes), root, witness)
