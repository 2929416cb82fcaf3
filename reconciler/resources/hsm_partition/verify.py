"""Proof that a partition answers, is the one that was adopted, and opens what its keys sealed (HS5)."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.errors import HsmFault
from reconciler.model.ports import Services
from reconciler.providers.proofs import RETIRED_KEPT, ROUND_TRIPS, Check, Witness, unchecked, unprotected
from reconciler.providers.typed import caller, hsm_provider, keeping_cluster_keys
from reconciler.resources.hsm_faults import way_out
from reconciler.resources.hsm_partition.observe import HsmPartitionObservation
from reconciler.resources.hsm_partition.spec import HsmPartitionSpec
from reconciler.resources.kind import VerifyInput
from reconciler.resources.reference import name_of

_BACK = "Put the partition back from the HSM's own backup: a new key opens nothing."
_TWO = "Have the HSM's operator remove the one that was made later: what is stored was wrapped under the first."


def verify(
    given: VerifyInput[HsmPartitionSpec, HsmPartitionObservation], services: Services, witness: Witness
) -> Iterator[Check]:
    """A canary of the marker and of each cluster key in it."""
    name, who = name_of(given.attributes), caller(services, given.provider)
    provider = hsm_provider(services, given.provider)
    if not provider.describe_partitions(who, [name]):
        yield unprotected(ROUND_TRIPS, f"the partition {name} is not configured any more", "Run `reconciler plan`.")
        return
    condition = provider.probe_partition(who, name)
    if condition.fault is not None:
        certificate = None if given.spec is None else given.spec.client_certificate
        detail = f": {condition.detail}" if condition.detail else ""
        words = f"the partition {name} cannot be used ({condition.fault}){detail}"
        told = unprotected if condition.fault is HsmFault.REINITIALISED else unchecked
        yield told(ROUND_TRIPS, words, way_out(condition.fault, given.address, certificate))
        return
    kept = keeping_cluster_keys(services, given.provider).describe_cluster_keys(who, name)
    wrong = {verdict.key_id for verdict in condition.keys}
    yield Check(what=ROUND_TRIPS, count=1 + sum(key.key_id not in wrong for key in kept))
    retired = {key.key_id for key in kept if key.retired_at is not None}
    if there := retired - wrong:
        yield Check(what=RETIRED_KEPT, count=len(there))
    for verdict in condition.keys:
        if verdict.fault is HsmFault.KEY_MISSING and verdict.key_id in retired:
            continue  # nothing is under it
        words = f"the key {verdict.key_id} in the partition {name}: {verdict.fault} {verdict.detail}".rstrip()
        yield unprotected(ROUND_TRIPS, words, _TWO if verdict.fault is HsmFault.KEY_DUPLICATE else _BACK)
    if condition.enforced is False and not (given.spec is not None and given.spec.allow_unenforced):
        yield unprotected(
            ROUND_TRIPS,
            f"the partition {name} gives out keys that were made non-extractable",
            "Move what is rooted there to another partition, or write `allowUnenforced: true` if it may be so.",
        )
