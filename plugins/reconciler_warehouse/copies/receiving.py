"""The destination of a copy (SC4): keys opened with the RSA key, sealed under this Region's root, all verified."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from datetime import datetime, timedelta

from reconciler.envelope.data_key import DataKey
from reconciler.envelope.seal import open_key
from reconciler.errors import AlreadyExistsException, InvalidClusterStateFault, ResourceNotFoundException
from reconciler.providers.data import RootKind, SnapshotDescription
from reconciler_warehouse import describe, events, manifest
from reconciler_warehouse.backups.snapshots import next_moment, remove
from reconciler_warehouse.blocks import delete_vectors
from reconciler_warehouse.blocks.key_tables import open_table
from reconciler_warehouse.blocks.raw_samples import require_ciphertext
from reconciler_warehouse.blocks.segment_files import StoredSegment
from reconciler_warehouse.copies import transport
from reconciler_warehouse.copies.copy_grants import adopted_grant
from reconciler_warehouse.copies.sending import OfferedSegment, OfferedVector, SnapshotOffer
from reconciler_warehouse.keyring import cek_of, take
from reconciler_warehouse.keys.hierarchy import open_cek, opened, stage_cek, stage_deks, unstage
from reconciler_warehouse.keys.roots import Adopted, owned_key
from reconciler_warehouse.names import cluster_context
from reconciler_warehouse.rows import add_key_table, segment_now, segment_uids, snapshot_where
from reconciler_warehouse.segment_store.inline import INLINE_BYTES
from reconciler_warehouse.site import Site
from reconciler_warehouse.status import AVAILABLE, CREATING
from reconciler_warehouse.upkeep.drafts import drafts, sweep


class Incoming:
    """See ``IncomingSnapshot``."""

    def __init__(self, site: Site, offer: SnapshotOffer, *, is_complete: bool) -> None:
        self._site = site
        self._offer = offer
        self._complete = is_complete
        self._pair: transport.TransportPair | None = None

    @property
    def is_complete(self) -> bool:
        """See ``IncomingSnapshot``."""
        return self._complete

    def transport_key(self) -> bytes | None:
        """See ``IncomingSnapshot``. The pair is made when first asked for, and lives no longer than this object."""
        with self._site.keyring.read() as ring:
            arrived = ring is not None and cek_of(ring, self._offer.uid) is not None
        if self._offer.dek is None or arrived:
            return None
        self._pair = self._pair or transport.TransportPair()
        return self._pair.public_key()

    def accept_keys(self, transfer: bytes, deks: Mapping[str, bytes]) -> None:
        """See ``IncomingSnapshot``. The DEKs get a new CEK under this Region's root, durable and read back (I2)."""
        offer, site = self._offer, self._site
        if self._pair is None:
            raise ResourceNotFoundException("No transport key was asked for")
        root = _root(site, offer)
        operation = f"copy/{offer.uid}"  # whichever call carries it on
        unstage(site, operation)
        route = (offer.source_region, site.region)
        with ExitStack() as wiped:
            key = wiped.enter_context(self._pair.open(transfer, transport.label(offer.uid, *route)))
            arrived: dict[str, DataKey] = {
                dek: wiped.enter_context(open_key(key, wrapped, transport.dek_aad(offer.uid, dek, *route)))
                for dek, wrapped in deks.items()
            }
            cek = stage_cek(site, root, offer.origin, operation)
            with open_cek(site, cek, f"Copy {offer.name}", root) as opened_cek:
                stage_deks(site, cek, opened_cek, offer.uid, arrived, primary=offer.dek or "")
        with site.keyring.write() as ring:
            take(ring, {offer.uid: cek.uid}, {offer.uid: None})

    def arrived_segments(self) -> set[str]:
        """See ``IncomingSnapshot``."""
        with self._site.catalogue.read() as catalogue:
            return set() if catalogue is None else set(segment_uids(catalogue, "snapshot", self._offer.uid))

    def accept_segment(self, offered: OfferedSegment, chunks: Iterable[memoryview]) -> None:
        """See ``IncomingSnapshot``. The file gets a name of its own, never used before."""
        segment = offered.uid
        file = f"{self._site.uid()}.1"
        with drafts(self._site) as made:
            made.write(file, chunks, inline=offered.bytes <= INLINE_BYTES)
            with self._site.catalogue.write() as catalogue:
                made.commit(catalogue)
                key_table = add_key_table(catalogue, segment, offered.generation, offered.dek, offered.body)
                vector = None if offered.vector is None else _add_vector(catalogue, segment, offered.vector)
                add_received(*(catalogue, self._offer.uid, offered, file, key_table), delete_vector=vector)
            made.done()

    def finish(self) -> SnapshotDescription:
        """See ``IncomingSnapshot``."""
        if not self._complete:
            self._verify()
            with self._site.catalogue.write() as catalogue:
                arrived = catalogue.execute(
                    "UPDATE snapshot SET status = ? WHERE uid = ?", (AVAILABLE, self._offer.uid)
                )
                if arrived.rowcount != 1:
                    raise _gone()
                _note_arrival(catalogue, self._site, self._offer)
            self._complete = True
        (description,) = describe.snapshots(self._site, [self._offer.name])
        return description

    def close(self) -> None:
        """The RSA key is dropped, whatever happened."""
        if self._pair is not None:
            self._pair.drop()
            self._pair = None

    def _verify(self) -> None:
        """Every key table and every block opens under this Region's root, and the manifest is the source's."""
        offer, site = self._offer, self._site
        with opened(site, offer.uid, f"Copy {offer.name}") as deks:
            with site.catalogue.write() as catalogue:
                catalogue.execute(
                    "UPDATE snapshot SET manifest_version = ?, manifest_tag = ? WHERE uid = ?",
                    (offer.manifest_version, offer.manifest_tag, offer.uid),
                )
                manifest.keep_pages(catalogue, "snapshot", offer.uid)
                manifest.check(catalogue, "snapshot", offer.uid, offer.name, deks)
                uids = segment_uids(catalogue, "snapshot", offer.uid)
                vectors = delete_vectors.of_snapshot(catalogue, offer.uid)
            for uid in uids:
                with site.catalogue.read() as read:
                    one = None if read is None else segment_now(read, "snapshot", offer.uid, uid)
                if one is None:
                    raise _gone()
                identity = one.identity(offer.origin)
                if uid in vectors:
                    vectors[uid].opened(identity, deks, one.rows)
                table = open_table(one.body, identity, one.generation, dek=one.dek, key=deks.get(one.dek or ""))
                with closing(StoredSegment(site.segments, one.file, table, identity.blocks())) as stored:
                    stored.check()
                require_ciphertext(site.segments, one.file, table, identity.blocks())


@contextmanager
def receive(site: Site, offer: SnapshotOffer, token: str) -> Iterator[Incoming]:
    """The copy of that offer, new or as far as it came."""
    with site.catalogue.read() as catalogue:
        known = None if catalogue is None else snapshot_where(catalogue, "uid = ?", offer.uid)
        named = None if catalogue is None else snapshot_where(catalogue, "name = ?", offer.name)
    if named is not None and named.uid != offer.uid:
        if named.status == AVAILABLE:
            raise AlreadyExistsException(
                f"Another snapshot {offer.name} exists already in {site.region}",
                suggestion="Delete it there, or give the snapshot another name.",
            )
        remove(site, named, unfinished_only=True)
    if known is None:
        _reserve(site, offer, token)
        sweep(site)  # keys of a copy of it that was deleted since this call's first sweep: not to go with the new ones
    incoming = Incoming(site, offer, is_complete=known is not None and known.status == AVAILABLE)
    try:
        yield incoming
    finally:
        incoming.close()


def _note_arrival(catalogue: sqlite3.Connection, site: Site, offer: SnapshotOffer) -> None:
    message = f"Snapshot {offer.name} was received from {offer.source_region} and verified"
    events.note(*(catalogue, offer.cluster_uid, offer.cluster, events.MANAGEMENT, events.INFO, message), at=site.now())


def _reserve(site: Site, offer: SnapshotOffer, token: str) -> None:
    expires_at = datetime.fromisoformat(offer.created_at) + timedelta(days=offer.retention_days)
    with site.catalogue.write() as catalogue:
        catalogue.execute(
            """INSERT INTO snapshot (uid, name, token, status, kind, cluster, cluster_uid, created_at,
                   cluster_created_at, expires_at, dek, source_region, source_arn, origin, moment)
               VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)""",
            (
                *(offer.uid, offer.name, token, CREATING, offer.kind, offer.cluster, offer.cluster_uid),
                *(offer.created_at, offer.cluster_created_at, expires_at.isoformat(), offer.dek, offer.source_region),
                *(offer.source_arn, offer.origin, next_moment(catalogue)),
            ),
        )
        catalogue.executemany(
            "INSERT INTO snapshot_table (snapshot, uid, name) VALUES (?,?,?)",
            [(offer.uid, uid, name) for uid, name in offer.tables.items()],
        )
        catalogue.executemany(
            "INSERT INTO snapshot_load (snapshot, data_table, digest, ordinal) VALUES (?,?,?,?)",
            [(offer.uid, *load) for load in offer.loads],
        )


def add_received(
    catalogue: sqlite3.Connection,
    snapshot: str,
    offered: OfferedSegment,
    file: str,
    key_table: int,
    *,
    delete_vector: int | None,
) -> None:
    """A segment of a snapshot that no cluster here has. sqlite3.IntegrityError when it has it,
    ResourceNotFoundException when the snapshot is gone, or has no such table: nobody would ever remove the segment."""
    if segment_now(catalogue, "snapshot", snapshot, offered.uid) is not None:
        raise sqlite3.IntegrityError("the segment arrived before")
    added = catalogue.execute(
        """INSERT INTO past_segment
               (uid, data_table, ordinal, file, key_table, rows, bytes, delete_vector, identity, born, died)
           SELECT ?,?,?,?,?,?,?,?,?, p.moment, p.moment + 1
           FROM snapshot p JOIN snapshot_table t ON t.snapshot = p.uid WHERE p.uid = ? AND t.uid = ?""",
        (
            *(offered.uid, offered.table, offered.ordinal, file, key_table, offered.rows, offered.bytes),
            *(delete_vector, offered.identity, snapshot, offered.table),
        ),
    )
    if added.rowcount != 1:
        raise _gone()
    catalogue.execute("UPDATE snapshot SET bytes = bytes + ? WHERE uid = ?", (offered.bytes, snapshot))


def _gone() -> ResourceNotFoundException:
    return ResourceNotFoundException(
        "The copy was deleted, or its retention was over, while it was received",
        suggestion="Run the command again if it is still wanted.",
    )


def _add_vector(catalogue: sqlite3.Connection, segment: str, offered: OfferedVector) -> int:
    return delete_vectors.add(
        catalogue,
        delete_vectors.VectorRow(
            segment=segment, version=offered.version, rows=offered.rows, dek=offered.dek, body=offered.body
        ),
    )


def _root(site: Site, offer: SnapshotOffer) -> Adopted:
    """The root that copies under that grant have here: the grant's key, or the owned one (SC2)."""
    created_at = datetime.fromisoformat(offer.cluster_created_at)
    context = cluster_context(site.region, site.account, offer.cluster, created_at)
    if offer.grant is None:
        return Adopted(kind=RootKind.OWNED, key_arn=owned_key(site), context=context)
    found = adopted_grant(site, offer.grant, context)
    if found is None:
        raise ResourceNotFoundException(
            f"There is no snapshot copy grant {offer.grant} in {site.region}",
            suggestion="Make it again, then switch copying off and on.",
        )
    if found.kind is not offer.root.kind or (found.kind is RootKind.KMS and found.key_arn != offer.root.key_arn):
        raise InvalidClusterStateFault(
            f"Snapshot copy grant {offer.grant} in {site.region} no longer stands for the key that it stood for when "
            f"copying was switched on in {offer.source_region}; nothing was sealed under another",
            suggestion="If that is meant, switch copying off and on again there.",
        )
    return found
