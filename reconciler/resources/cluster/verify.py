"""Proof that a cluster is encrypted as declared (CONTRACT 3)."""

from __future__ import annotations

from collections.abc import Iterable

from reconciler.model.ports import Services
from reconciler.providers.data import Root, RootKind
from reconciler.providers.proofs import KEYS_OPENED, MANIFESTS, SAMPLES, Check, Witness, unprotected
from reconciler.providers.typed import caller, proving_warehouse, warehouse_provider
from reconciler.resources.cluster import older_copy
from reconciler.resources.cluster.observe import ClusterObservation
from reconciler.resources.cluster.spec import ClusterSpec
from reconciler.resources.kind import Target, VerifyInput
from reconciler.resources.reference import name_of


def verify(
    given: VerifyInput[ClusterSpec, ClusterObservation], services: Services, witness: Witness
) -> Iterable[Check]:
    """Every tier of the cluster and of its automated snapshots, from the declared root down; that it is no older copy
    (I16), that its escrow key is the declared one (RE14), and that nothing from before its encryption is left:
    "encrypted" is not claimed until then (RE15)."""
    warehouse = proving_warehouse(services, given.provider)
    who, name = caller(services, given.provider), name_of(given.attributes)
    root = declared_root(given, services)
    yield from warehouse.prove_cluster(who, name, root, witness)
    if root.kind is not RootKind.NONE:
        yield from _from_before(given, services, name)
    yield from _newest(given, services)
    encryption = None if given.spec is None else given.spec.encryption
    for found in warehouse_provider(services, given.provider).describe_clusters(who, [name]):
        if encryption is None or not encryption.enabled:
            return
        declared = None if encryption.escrow is None else encryption.escrow.arn_in(services)
        if found.escrow_arn != declared:
            yield unprotected(
                KEYS_OPENED,
                f"cluster {name} is declared with {declared or 'no'} escrow key, and beside its root "
                f"{found.escrow_arn or 'none'} opens it",
                "Run `reconciler apply`: it wraps its keys as declared.",
            )


def _newest(given: VerifyInput[ClusterSpec, ClusterObservation], services: Services) -> Iterable[Check]:
    observed = None if given.expected is None else given.expected.model_dump_json()
    target = Target(address=given.address, provider=given.provider, attributes=given.attributes, observed=observed)
    for error in older_copy.doubts([target], services).values():
        yield unprotected(MANIFESTS, error.summary, error.suggestion or "")


def _from_before(given: VerifyInput[ClusterSpec, ClusterObservation], services: Services, name: str) -> Iterable[Check]:
    found = warehouse_provider(services, given.provider).describe_snapshots(caller(services, given.provider))
    uid = given.attributes.get("uid")
    plain = [one.name for one in found if one.cluster_uid == uid and one.root.kind is RootKind.NONE]
    if plain:
        yield unprotected(
            SAMPLES,
            f"cluster {name} is encrypted, and snapshots of it from before are in clear: {', '.join(plain)}",
            "Let them go when the way back is no longer needed; `reconciler drift` says how (RE15).",
        )


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
