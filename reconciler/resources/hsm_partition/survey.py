"""What the HSM itself says of each recorded partition (HS7, PKCS11.md 3). Only ``drift`` and ``verify`` ask it: a plan
does not, so that an HSM that cannot be reached stops no plan over anything else."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence

from reconciler.errors import HsmFault, ReconcilerError
from reconciler.model.address import Address
from reconciler.model.plan import Finding
from reconciler.providers.hsm import KeepsClusterKeys, KeyVerdict, PartitionCondition
from reconciler.providers.retired_keys import NOBODY_ASKED, KnowsRetiredKeys
from reconciler.providers.typed import hsm_provider
from reconciler.resources.estate import Estate
from reconciler.resources.hsm_faults import way_out
from reconciler.resources.hsm_partition.observe import HsmPartitionObservation
from reconciler.resources.hsm_partition.spec import HsmPartitionSpec
from reconciler.resources.reference import name_of

KIND = "HsmPartition"
_BACK = "put the partition back from the HSM's own backup: a new key opens nothing"


def survey(estate: Estate) -> Sequence[Finding]:
    """``hsm-unreachable``, ``hsm-key-missing``, and keys of ours that nothing is recorded of."""
    found: list[Finding] = []
    for address, row in estate.of_kind(KIND):
        observed = estate.observed.get(address)
        if not isinstance(observed, HsmPartitionObservation):
            continue
        rooted = _rooted(estate, observed.arn)
        try:
            provider = hsm_provider(estate.services, row.provider)
            condition = provider.probe_partition(
                estate.caller(row.provider), name_of(row.attributes), key_ids=sorted(rooted)
            )
        except ReconcilerError as error:
            estate.unseen.append(f"{address} was not asked: {error.summary}")
            continue
        spec = None if row.spec is None else HsmPartitionSpec.model_validate_json(row.spec)
        found += _told(estate, address, observed, condition, spec, rooted)
        if condition.fault is None:
            found += _unrecorded(estate, address, observed, condition, {*rooted, *condition.orphans})
    return found


def _unrecorded(
    estate: Estate,
    address: Address,
    observed: HsmPartitionObservation,
    condition: PartitionCondition,
    asked: Collection[str],
) -> Iterator[Finding]:
    """Keys of ours that the partition has and the HSM provider's record has not. What is stored under one cannot be
    opened; whether anything is, the data planes are asked, so that nobody takes it for another project's (I3)."""
    row = estate.rows[address]
    provider = hsm_provider(estate.services, row.provider)
    if not isinstance(provider, KeepsClusterKeys):
        return
    kept = provider.describe_cluster_keys(estate.caller(row.provider), observed.arn)
    unknown = {*asked} - {key.key_id for key in kept} - {verdict.key_id for verdict in condition.keys}
    if not unknown:
        return
    services = estate.services
    known = services.retired_keys(observed.arn, unknown) if isinstance(services, KnowsRetiredKeys) else NOBODY_ASKED
    for key_id in sorted(unknown):
        if key_id in known.needed:
            yield estate.finding(
                address,
                "hsm-key-missing",
                f"keys.{key_id}",
                "recorded, as something stored is under it",
                f"in the partition, and Provider/{row.provider} has no record of it",
                "apply, if one was interrupted; else the HSM provider's folder in `home` is older than what is stored: "
                "put its newest copy back, and have nothing removed from the token",
            )
        elif key_id in condition.orphans:
            yield _of_orphan(estate, address, key_id, known.unreachable)


def _rooted(estate: Estate, arn: str) -> Mapping[str, list[str]]:
    """Cluster key → the clusters that it opens."""
    found: dict[str, list[str]] = defaultdict(list)
    for cluster in estate.clusters:
        if cluster.root.partition == arn and cluster.cek_id is not None:
            found[cluster.cek_id].append(str(estate.address_of("Cluster", cluster.arn, cluster.name)))
    return found


def _told(  # noqa: PLR0917  # what one probe is judged from
    estate: Estate,
    address: Address,
    observed: HsmPartitionObservation,
    condition: PartitionCondition,
    spec: HsmPartitionSpec | None,
    rooted: Mapping[str, list[str]],
) -> Iterator[Finding]:
    if condition.fault is HsmFault.REINITIALISED:
        yield _of_marker(estate, address, observed.uid, rooted)
        return
    if condition.fault is not None:
        certificate = None if spec is None else spec.client_certificate
        detail = f": {condition.detail}" if condition.detail else ""
        fix = way_out(condition.fault, address, certificate)
        yield estate.finding(
            address, "hsm-unreachable", "link", "its marker key opens", f"{condition.fault}{detail}", fix
        )
        return
    for verdict in condition.keys:
        is_idle = verdict.key_id in observed.retired_keys and verdict.key_id not in rooted
        if is_idle and verdict.fault is HsmFault.KEY_MISSING:
            yield _of_retired(estate, address, verdict.key_id)
        else:
            yield _of_key(estate, address, verdict, rooted)
    if condition.enforced is False and observed.enforced:
        yield estate.finding(
            address,
            "hsm-key-missing",
            "enforced",
            "keys that were made non-extractable stay in",
            "it gives them out",
            "move what is rooted there to another partition, and take its keys as known to whoever could log in",
        )
    if condition.serial != observed.serial and condition.serial and observed.serial:
        yield estate.finding(
            address,
            "attribute-changed",
            "serial",
            observed.serial,
            condition.serial,
            "nothing, where the partition is one of a group of HSMs: its marker key and its keys are there",
        )


def _of_orphan(estate: Estate, address: Address, key_id: str, unasked: Sequence[str]) -> Finding:
    under = f"{' and '.join(unasked)} may have something under it" if unasked else "nothing here is under it"
    return estate.finding(
        address,
        "resource-unmanaged",
        f"keys.{key_id}",
        None,
        f"a key of ours in {address} that nothing is recorded of",
        "apply, if one was interrupted; what then remains is another project's, or was made late for a process "
        f"that was killed: {under}",
    )


def _of_marker(estate: Estate, address: Address, uid: str, rooted: Mapping[str, list[str]]) -> Finding:
    lost = ", ".join(name for names in rooted.values() for name in names) or "nothing that is known"
    return estate.finding(
        address,
        "hsm-key-missing",
        "marker",
        f"our marker key {uid}",
        f"the partition was initialised anew, or is another one; rooted in it: {lost}",
        _BACK,
    )


_WRONG: Mapping[HsmFault, tuple[str, str]] = {
    HsmFault.KEY_MISSING: ("it is not in the partition", _BACK),
    HsmFault.KEY_DUPLICATE: (
        "two keys have its id",
        "have the HSM's operator remove the one that was made later: what is stored was wrapped under the first",
    ),
    HsmFault.KEY_SUBSTITUTED: ("a key of its name and id is there, and does not open what it sealed", _BACK),
    HsmFault.KEY_WEAKENED: (
        "its attributes are not those that it was made with",
        "rotate what is under it (`rotation.trigger`): the new key is made as it should be",
    ),
}


def _of_key(estate: Estate, address: Address, verdict: KeyVerdict, rooted: Mapping[str, list[str]]) -> Finding:
    wrong, fix = _WRONG.get(verdict.fault, (str(verdict.fault), _BACK))
    opens = rooted.get(verdict.key_id)
    what = f"the key that opens {', '.join(opens)}" if opens else f"the key {verdict.key_id}"
    detail = f" ({verdict.detail})" if verdict.detail else ""
    return estate.finding(
        address, "hsm-key-missing", f"keys.{verdict.key_id}", what, f"{verdict.fault}: {wrong}{detail}", fix
    )


def _of_retired(estate: Estate, address: Address, key_id: str) -> Finding:
    """It was removed in the HSM itself, or never replicated there (HS6)."""
    return estate.finding(
        address,
        "attribute-changed",
        f"keys.{key_id}",
        f"the retired key {key_id}",
        f"{HsmFault.KEY_MISSING}: it is not in the partition, and nothing here is under it",
        "nothing: no cluster or snapshot needs it there",
    )
