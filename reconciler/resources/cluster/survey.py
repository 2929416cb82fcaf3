"""What a cluster's record does not tell: whether its root can be used, under which keys everything of it is, and
whether its bytes are ciphertext."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reconciler.model.address import Address
from reconciler.model.plan import Finding
from reconciler.model.recorded import Recorded
from reconciler.providers.inspection import KeyVersion
from reconciler.resources.cluster.observe import ClusterObservation
from reconciler.resources.cluster.rotation import next_rotation
from reconciler.resources.cluster.spec import ClusterSpec
from reconciler.resources.cluster.status import INACCESSIBLE, ROTATING
from reconciler.resources.estate import Estate
from reconciler.resources.raw import found_in_plaintext, unusable_root

KIND = "Cluster"


def survey(estate: Estate) -> Sequence[Finding]:
    """``warehouse-inaccessible`` by the root's state, ``stale-key-version``, ``data-plaintext-found``."""
    found: list[Finding] = []
    for address, row in estate.of_kind(KIND):
        observed = estate.observed.get(address)
        if isinstance(observed, ClusterObservation):
            if observed.status != INACCESSIBLE:  # then it says so itself
                found += unusable_root(estate, address, observed.key_arn)
            found += _stale(estate, address, row, observed)
    names = {cluster.arn: cluster.name for cluster in estate.clusters}
    found += found_in_plaintext(estate, lambda arn: estate.address_of(KIND, arn, names[arn]) if arn in names else None)
    return found


def _stale(estate: Estate, address: Address, row: Recorded, observed: ClusterObservation) -> Iterator[Finding]:
    """A census (I20): what is under a key from before the last rotation, or is older than the declared period though
    the cluster's own keys are not. A snapshot goes with its cluster's rotations (RO1)."""
    versions = estate.versions.get(observed.arn, [])
    behind = [_words(one) for one in versions if not one.is_current]
    fix = "`reconciler apply` carries the rotation through"
    if not behind and observed.status == ROTATING:
        behind = ["everything: a rotation was begun and is not over"]
    if not behind and row.spec is not None:
        spec = ClusterSpec.model_validate_json(row.spec)
        every = None if spec.encryption is None else spec.encryption.rotation.every
        due = next_rotation(spec, observed)
        if every is not None and due is not None and due > estate.now:
            oldest = [one for one in versions if one.made_at is not None and one.made_at + every <= estate.now]
            behind = [_words(one) for one in oldest]
            fix = "change spec.encryption.rotation.trigger and run `reconciler apply`: that rotates its snapshots along"
    if behind:
        yield estate.finding(
            address, "stale-key-version", "keys", "under the keys of the last rotation", "; ".join(behind), fix
        )


def _words(one: KeyVersion) -> str:
    made = "" if one.made_at is None else f", made on {one.made_at:%Y-%m-%d}"
    count = f"{one.count} " if one.count > 1 or one.made_at is None else ""
    return f"{count}{one.what} {one.name} under key {one.version[:12]}{made}"
