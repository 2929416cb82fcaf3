"""Proof that copies abroad are under the key of the Region where they lie (SC2, SC4)."""

from __future__ import annotations

from collections.abc import Iterable

from reconciler.model.ports import Services
from reconciler.providers.data import Root, RootKind, SnapshotDescription
from reconciler.providers.proofs import KEYS_OPENED, Check, Witness, unprotected
from reconciler.providers.typed import caller, proving_warehouse, warehouse_provider
from reconciler.resources.kind import VerifyInput
from reconciler.resources.snapshot_copy.observe import SnapshotCopyObservation
from reconciler.resources.snapshot_copy.spec import SnapshotCopySpec


def verify(
    given: VerifyInput[SnapshotCopySpec, SnapshotCopyObservation], services: Services, witness: Witness
) -> Iterable[Check]:
    """Every copy that this copying made, in its destination, under the root that the copy grant stands for there; also
    those of automated snapshots, which the warehouse made by itself."""
    to = str(given.attributes["to"])
    destination, who = proving_warehouse(services, to), caller(services, to)
    root = _declared_root(given, services, to)
    for found in warehouse_provider(services, to).describe_snapshots(who):
        if not _is_of(found, given, services):
            continue
        if found.root.kind is RootKind.NONE:
            if given.expected is not None and given.expected.cluster_root is not RootKind.NONE:
                yield unprotected(
                    KEYS_OPENED,
                    f"copy {found.name} in {given.attributes.get('region')} is in clear, and its cluster is encrypted",
                    "Take another snapshot, have it copied, then delete this copy (RE15).",
                )
            yield from destination.prove_snapshot(who, found.name, None, witness)
            continue
        yield from destination.prove_snapshot(who, found.name, _expected(found.root, root, witness), witness)


def _is_of(
    found: SnapshotDescription, given: VerifyInput[SnapshotCopySpec, SnapshotCopyObservation], services: Services
) -> bool:
    """Whether it is a copy of the cluster's: recorded, or by the ARN of what it is a copy of."""
    if found.source_region is None:
        return False
    of = f"{str(given.attributes['arn']).replace(':cluster:', ':snapshot:')}/"
    return found.uid in (given.attributes.get("copied") or {}) or str(found.source_arn).startswith(of)


def _expected(found: Root, declared: Root | None, witness: Witness) -> Root | None:
    """A copy that came through an earlier grant stays under the key of that one, as long as the state knows it."""
    if declared is None or declared.key_arn is None or found.key_arn is None:
        return declared
    return found if found.key_arn in witness.other_keys(declared.key_arn) else declared


def _declared_root(
    given: VerifyInput[SnapshotCopySpec, SnapshotCopyObservation], services: Services, to: str
) -> Root | None:
    """What the grant stands for; None for one that is described no more: then any root of that Region must do."""
    name = given.attributes.get("grant")
    if name is None:
        return Root(kind=RootKind.OWNED)
    grants = warehouse_provider(services, to).describe_snapshot_copy_grants(caller(services, to), [str(name)])
    return grants[0].root if grants else None
