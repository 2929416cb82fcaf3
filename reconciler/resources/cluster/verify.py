"""Proof that a cluster is encrypted as declared (CONTRACT 3)."""

from __future__ import annotations

from collections.abc import Iterable

from reconciler.model.ports import Services
from reconciler.providers.data import Root, RootKind
from reconciler.providers.proofs import Check, Witness
from reconciler.providers.typed import caller, proving_warehouse
from reconciler.resources.cluster.observe import ClusterObservation
from reconciler.resources.cluster.spec import ClusterSpec
from reconciler.resources.kind import VerifyInput
from reconciler.resources.reference import name_of


def verify(
    given: VerifyInput[ClusterSpec, ClusterObservation], services: Services, witness: Witness
) -> Iterable[Check]:
    """Every tier of the cluster and of its automated snapshots, from the declared root down."""
    warehouse = proving_warehouse(services, given.provider)
    who = caller(services, given.provider)
    return warehouse.prove_cluster(who, name_of(given.attributes), declared_root(given, services), witness)


def declared_root(given: VerifyInput[ClusterSpec, ClusterObservation], services: Services) -> Root:
    """The root that the manifest asked for; where it is silent, the one that the state records."""
    encryption = None if given.spec is None else given.spec.encryption
    if encryption is None:
        kind = RootKind(given.attributes.get("root") or RootKind.OWNED)
        return Root(kind=kind, key_arn=given.attributes.get("key_arn"), partition=given.attributes.get("partition"))
    if not encryption.enabled:
        return Root(kind=RootKind.NONE)
    if encryption.hsm is not None:
        return Root(kind=RootKind.HSM, partition=encryption.hsm.arn_in(services))
    if encryption.key is None:
        return Root(kind=RootKind.OWNED)
    return Root(kind=RootKind.KMS, key_arn=encryption.key.arn_in(services))
