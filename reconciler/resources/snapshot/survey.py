"""Snapshots and copies that no manifest declares and that lie in plaintext beside an encrypted cluster (RE15)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reconciler.model.plan import Finding
from reconciler.providers.data import RootKind, SnapshotDescription
from reconciler.resources.estate import Estate
from reconciler.resources.raw import found_in_plaintext
from reconciler.resources.snapshot.drift import plaintext_words
from reconciler.resources.snapshot.existing import AUTOMATED

KIND = "Snapshot"


def survey(estate: Estate) -> Sequence[Finding]:
    """``plaintext-snapshot`` of those without a record, copies in other Regions among them, and
    ``data-plaintext-found`` of sealed ones."""
    names = {one.arn: one.name for one in estate.snapshots}
    raw = found_in_plaintext(estate, lambda arn: estate.address_of(KIND, arn, names[arn]) if arn in names else None)
    return [*_plaintext(estate), *raw]


def _plaintext(estate: Estate) -> Iterator[Finding]:
    encrypted = {cluster.uid for cluster in estate.clusters if cluster.encrypted}
    for one in estate.snapshots:
        if one.root.kind is RootKind.NONE and one.cluster_uid in encrypted and not estate.named(one.arn):
            address = estate.address_of(KIND, one.source_arn or one.arn, one.name)
            yield estate.finding(
                address,
                "plaintext-snapshot",
                "root" if one.source_arn is None else f"copies.{one.arn.split(':')[3]}",
                "encrypted, as its cluster is by now",
                plaintext_words(one.bytes, one.expires_at, _purpose(one)),
                _fix(one),
            )


def _purpose(one: SnapshotDescription) -> str:
    if one.source_region is not None:
        return f"a copy that came from {one.source_region}"
    return "taken by its cluster's schedule" if one.kind == AUTOMATED else "taken by hand"


def _fix(one: SnapshotDescription) -> str:
    what = "the copy" if one.source_arn is not None else "it"
    return (
        f"take an encrypted snapshot; then `reconciler import Snapshot/NAME {one.arn}` takes {what} over, and with "
        "`lifecycle: {preventDestroy: false}` and then without its manifest `reconciler apply` lets it go"
    )
