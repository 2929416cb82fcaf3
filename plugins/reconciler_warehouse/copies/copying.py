"""The source's side: copying switched on and off, and one snapshot sent to another Region (SC2–SC4)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

from reconciler.access.caller import Caller
from reconciler.envelope.data_key import DataKey
from reconciler.envelope.seal import seal_key
from reconciler.errors import (
    ConflictException,
    DamagedStore,
    HostError,
    InvalidClusterStateFault,
    MissingCapability,
    ProviderUnavailable,
    ResourceNotFoundException,
    ValidationException,
)
from reconciler.providers.data import Progress, Root, RootKind, SnapshotDescription
from reconciler_warehouse import events, manifest
from reconciler_warehouse.backups.snapshots import available, gone
from reconciler_warehouse.blocks import delete_vectors
from reconciler_warehouse.blocks.delete_vectors import VectorRow
from reconciler_warehouse.blocks.segment_files import stored_bytes
from reconciler_warehouse.copies import copy_settings, transport
from reconciler_warehouse.copies.copy_settings import CopySetting
from reconciler_warehouse.copies.sending import (
    IncomingSnapshot,
    OfferedSegment,
    OfferedVector,
    ReceivesSnapshots,
    SnapshotOffer,
)
from reconciler_warehouse.keys.hierarchy import opened
from reconciler_warehouse.names import snapshot_arn
from reconciler_warehouse.rows import (
    ClusterRow,
    SegmentRow,
    SnapshotRow,
    cluster_where,
    segment_now,
    segment_uids,
    snapshot_where,
)
from reconciler_warehouse.site import Site


def receiver(destination: object) -> ReceivesSnapshots:
    """The destination, as one that snapshots can be sent to. MissingCapability."""
    if isinstance(destination, ReceivesSnapshots):
        return destination
    raise MissingCapability(
        "The destination warehouse does not receive snapshots from this one",
        suggestion="Copy to a warehouse of the same plugin, or one that implements ReceivesSnapshots.",
    )


def enable(
    site: Site, caller: Caller, cluster: ClusterRow, destination: ReceivesSnapshots, *, grant: str | None, days: int
) -> None:
    """Copy the cluster's snapshots there from now on; the grant must exist there (SC2)."""
    if destination.region == site.region or destination.account != site.account:
        raise ValidationException(
            f"Snapshots of {site.region} are copied to another Region of account {site.account}, not to "
            f"{destination.region} of {destination.account}"
        )
    root = Root(kind=RootKind.OWNED)
    if grant is not None:
        described = destination.describe_snapshot_copy_grants(caller, [grant])
        if not described:
            raise ResourceNotFoundException(
                f"There is no snapshot copy grant {grant} in {destination.region}",
                suggestion=f"Make it in {destination.region} first: the destination's key is chosen there (SC2).",
            )
        root = described[0].root
    setting = CopySetting(
        region=destination.region,
        grant=grant,
        retention_days=days,
        root=root,
        provider=destination.provider_name,
        since=site.now().isoformat(),
    )
    with opened(site, cluster.uid, f"Cluster {cluster.name}") as deks, site.catalogue.write() as catalogue:
        now = cluster_where(catalogue, "uid = ?", cluster.uid)
        if now is None or (now.dek is not None and now.dek not in deks):
            raise ConflictException(
                f"Cluster {cluster.name} was changed by another process meanwhile", suggestion="Run the command again."
            )
        copy_settings.put(catalogue, cluster.uid, setting, now.dek, deks)
        _note(site, catalogue, cluster, f"Snapshots of cluster {now.name} are copied to {setting.region} from now on")


def disable(site: Site, cluster: ClusterRow) -> None:
    """No longer copy; no error when it is off. Needs no key: less is copied, never elsewhere."""
    with site.catalogue.write() as catalogue:
        gone = catalogue.execute("DELETE FROM snapshot_copy WHERE cluster = ?", (cluster.uid,))
        if gone.rowcount:
            _note(site, catalogue, cluster, f"Snapshots of cluster {cluster.name} are no longer copied")


def _note(site: Site, catalogue: sqlite3.Connection, cluster: ClusterRow, message: str) -> None:
    events.note(*(catalogue, cluster.uid, cluster.name, events.MANAGEMENT, events.INFO, message), at=site.now())


def copy(
    site: Site, caller: Caller, name: str, destination: ReceivesSnapshots, *, progress: Progress, token: str
) -> SnapshotDescription:
    """One snapshot, under the destination's root, verified there; no-op when the copy exists.

    InvalidClusterStateFault when its cluster does not copy to that Region: under which key is said there, never
    guessed. DamagedStore when that was said by nobody here.
    """
    snapshot = available(site, name)
    offer = _offer(site, snapshot, _setting(site, snapshot, destination.region))
    with _resumable(name, destination.region), destination.receive_snapshot(caller, offer, token=token) as incoming:
        if incoming.is_complete:
            _remember(site, snapshot)
            return incoming.finish()
        with opened(site, snapshot.uid, f"Snapshot {name}") as deks:
            with site.catalogue.read() as catalogue:
                if catalogue is not None:
                    manifest.check(catalogue, "snapshot", snapshot.uid, name, deks)
            public_key = incoming.transport_key()
            if public_key is not None:
                progress(f"keys of {name} sealed for {destination.region}", None, None)
                route = (site.region, destination.region)
                with DataKey.generate(site.random) as transfer:
                    incoming.accept_keys(
                        transport.wrap(public_key, transfer, transport.label(snapshot.uid, *route)),
                        {
                            dek: seal_key(transfer, key, transport.dek_aad(snapshot.uid, dek, *route), site.random)
                            for dek, key in deks.items()
                        },
                    )
        _send(site, snapshot, incoming, progress)
        progress(f"verifying {name} in {destination.region}", None, None)
        arrived = incoming.finish()
        _remember(site, snapshot, f"Snapshot {name} was copied to {destination.region} and verified there")
        return arrived


@contextmanager
def _resumable(name: str, region: str) -> Iterator[None]:
    """A place that disappears on the way: what arrived is kept for the same call, and counts for nothing before."""
    try:
        yield
    except (HostError, ProviderUnavailable) as error:
        raise type(error)(
            f"Snapshot {name} was not copied to {region}: {error.summary}",
            detail=error.detail,
            suggestion="Nothing half copied counts. Run the command again when both Regions can be reached: it goes on "
            "with what has not arrived.",
        ) from error


def _remember(site: Site, snapshot: SnapshotRow, message: str | None = None) -> None:
    """It is not due to be copied any more, even when the copy's own retention is over."""
    with site.catalogue.write() as catalogue:
        noted = catalogue.execute(
            "UPDATE snapshot SET copied_at = ? WHERE uid = ? AND copied_at IS NULL",
            (site.now().isoformat(), snapshot.uid),
        )
        if noted.rowcount and message is not None:
            events.note(
                *(catalogue, snapshot.cluster_uid, snapshot.cluster, events.MANAGEMENT, events.INFO, message),
                at=site.now(),
            )


def _send(site: Site, snapshot: SnapshotRow, incoming: IncomingSnapshot, progress: Progress) -> None:
    """The segment files as they are: they open nowhere without their keys, and the destination verifies them."""
    with site.catalogue.read() as catalogue:
        uids = [] if catalogue is None else segment_uids(catalogue, "snapshot", snapshot.uid)
        vectors = {} if catalogue is None else delete_vectors.of_snapshot(catalogue, snapshot.uid)
    arrived = incoming.arrived_segments()
    for number, uid in enumerate(uids):
        if uid not in arrived:
            with site.catalogue.read() as catalogue:
                one = None if catalogue is None else segment_now(catalogue, "snapshot", snapshot.uid, uid)
            if one is None:
                raise gone(snapshot)
            try:
                with closing(stored_bytes(site.segments, one.file, one.bytes)) as content:
                    incoming.accept_segment(_offered(one, vectors.get(uid)), content)
            except DamagedStore:
                available(site, snapshot.name)  # deleted meanwhile, and its files with it: no damage
                raise
        progress(f"segments of {snapshot.name} copied", number + 1, len(uids))
        site.checkpoint()


def _setting(site: Site, snapshot: SnapshotRow, region: str) -> CopySetting:
    """How the snapshot's cluster copies to that Region, vouched for by the cluster's own key."""
    with opened(site, snapshot.cluster_uid, f"Cluster {snapshot.cluster}") as deks:
        with site.catalogue.read() as catalogue:
            setting = None
            if catalogue is not None:
                setting = copy_settings.checked(catalogue, snapshot.cluster_uid, snapshot.cluster, deks)
        if setting is None or setting.region != region:
            raise InvalidClusterStateFault(
                f"Cluster {snapshot.cluster} does not copy its snapshots to {region}",
                suggestion="Switch copying on first, naming the copy grant there (SC2).",
            )
        if snapshot.dek is not None and not deks:
            raise InvalidClusterStateFault(
                f"Snapshot {snapshot.name} is encrypted and its cluster {snapshot.cluster} no longer is, so no key "
                "vouches for where it is copied to",
                suggestion="Copy it before the cluster is decrypted, or encrypt the cluster again.",
            )
        return setting


def _offer(site: Site, snapshot: SnapshotRow, setting: CopySetting) -> SnapshotOffer:
    with site.catalogue.read() as catalogue:
        if catalogue is None or snapshot_where(catalogue, "uid = ?", snapshot.uid) is None:
            raise gone(snapshot)
        version, tag, kind = catalogue.execute(
            "SELECT manifest_version, manifest_tag, kind FROM snapshot WHERE uid = ?", (snapshot.uid,)
        ).fetchone()
        tables = dict(catalogue.execute("SELECT uid, name FROM snapshot_table WHERE snapshot = ?", (snapshot.uid,)))
        loads = catalogue.execute(
            "SELECT data_table, digest, ordinal FROM snapshot_load WHERE snapshot = ?", (snapshot.uid,)
        ).fetchall()
    return SnapshotOffer(
        uid=snapshot.uid,
        name=snapshot.name,
        kind=kind,
        cluster=snapshot.cluster,
        cluster_uid=snapshot.cluster_uid,
        cluster_created_at=snapshot.cluster_created_at,
        created_at=snapshot.created_at,
        origin=snapshot.origin,
        source_region=site.region,
        source_arn=snapshot_arn(site.region, site.account, snapshot.cluster, snapshot.name),
        retention_days=setting.retention_days,
        grant=setting.grant,
        root=setting.root,
        dek=snapshot.dek,
        tables=tables,
        loads=tuple((table, digest, ordinal) for table, digest, ordinal in loads),
        manifest_version=version,
        manifest_tag=tag,
    )


def _offered(segment: SegmentRow, vector: VectorRow | None) -> OfferedSegment:
    return OfferedSegment(
        uid=segment.uid,
        table=segment.table,
        ordinal=segment.ordinal,
        generation=segment.generation,
        dek=segment.dek,
        body=segment.body,
        rows=segment.rows,
        bytes=segment.bytes,
        identity=segment.made_as,
        vector=None
        if vector is None
        else OfferedVector(version=vector.version, rows=vector.rows, dek=vector.dek, body=vector.body),
    )
