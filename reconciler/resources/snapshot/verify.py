"""Proof that a snapshot is encrypted as its cluster was (SC1, RE15)."""

from __future__ import annotations

from collections.abc import Iterable

from reconciler.model.ports import Services
from reconciler.providers.data import Root, RootKind
from reconciler.providers.proofs import SAMPLES, Check, Witness, unprotected
from reconciler.providers.typed import caller, proving_warehouse
from reconciler.resources.kind import Target, VerifyInput
from reconciler.resources.reference import name_of
from reconciler.resources.snapshot.observe import SnapshotObservation, observe
from reconciler.resources.snapshot.spec import SnapshotSpec


def verify(
    given: VerifyInput[SnapshotSpec, SnapshotObservation], services: Services, witness: Witness
) -> Iterable[Check]:
    """Every tier of the snapshot, from the root that it is to be under."""
    target = Target(address=given.address, provider=given.provider, attributes=given.attributes)
    now = observe([target], services)[given.address]
    name, who = name_of(given.attributes), caller(services, given.provider)
    if now is not None and now.root is RootKind.NONE and (now.predates_encryption or _was_encrypted(given)):
        since = (
            "was taken before its cluster was encrypted, and is" if now.predates_encryption else "was encrypted, and is"
        )
        yield unprotected(
            SAMPLES,
            f"snapshot {name} {since} in clear",
            "Take another snapshot, then remove the manifest of this one (RE15).",
        )
    yield from proving_warehouse(services, given.provider).prove_snapshot(who, name, _root(given, services), witness)


def _was_encrypted(given: VerifyInput[SnapshotSpec, SnapshotObservation]) -> bool:
    return given.expected is not None and given.expected.root is not RootKind.NONE


def _root(given: VerifyInput[SnapshotSpec, SnapshotObservation], services: Services) -> Root | None:
    """A snapshot follows its cluster from key to key, so it is to be under what its cluster is under; None when the
    cluster is gone or has no key any more: then it stays under the last."""
    if given.spec is None or not _was_encrypted(given):
        return None
    try:
        cluster = given.spec.cluster.attributes(services)
    except KeyError:
        return None
    kind = RootKind(cluster.get("root") or RootKind.NONE)
    if kind is RootKind.NONE or cluster.get("uid") != given.attributes.get("cluster_uid"):
        return None
    if cluster.get("snapshots_stay") and given.expected is not None:  # it did not follow: under what it was left under
        expected = given.expected
        return Root(kind=expected.root, key_arn=expected.key_arn, partition=expected.partition)
    return Root(kind=kind, key_arn=cluster.get("key_arn"), partition=cluster.get("partition"))
