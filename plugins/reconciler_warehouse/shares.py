"""Data shares: tables of one cluster that another one selects from, as ``<share>.<table>`` (RE8).

Nothing is copied and no key is handed over: the consumer's query opens the producer's keys through the producer's own
root, so it is lost with that. Each shared table is vouched for by a MAC keyed from the producer's DEK: a row that
somebody else put into the catalogue shares nothing (I9). It is made anew in the commit that gives the producer another
DEK. A producer without encryption has no such key, and its rows are believed as its data are.
"""

from __future__ import annotations

import hmac
import re
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from reconciler.envelope.canonical import encode
from reconciler.envelope.data_key import DataKey
from reconciler.envelope.mac import HmacSha256
from reconciler.errors import AlreadyExistsException, DamagedStore, ResourceNotFoundException, ValidationException
from reconciler_warehouse import events, manifest
from reconciler_warehouse.keys.hierarchy import OpenDeks, key_named, opened
from reconciler_warehouse.rows import ClusterRow, cluster_named, cluster_where
from reconciler_warehouse.site import Site

_NAME: Final = re.compile(r"[a-z_][a-z0-9_]{0,126}")
_TAKEN: Final = frozenset({"public", "information_schema", "pg_catalog", "main", "temp", "system"})


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedTable:
    """A table as a consumer may name it: ``key`` is ``<share>.<table>``."""

    key: str
    share: str
    share_uid: str
    producer: str
    consumer: str
    table: str
    table_name: str
    proof: bytes | None


def create(  # noqa: PLR0917  # who shares what with whom
    site: Site, name: str, producer: str, consumer: str, tables: Sequence[str], token: str
) -> None:
    """The share; no-op when the token made it. AlreadyExistsException for a name in use, ResourceNotFoundException,
    ValidationException for a name that is none in SQL."""
    if not _NAME.fullmatch(name) or name in _TAKEN:
        raise ValidationException(
            f"A data share cannot be called {name!r}: to its consumer it is a schema",
            suggestion="Use small letters, digits and _, no digit first, and no name of a schema that SQL has.",
        )
    if _is_made(site, token):
        return
    source, reader = cluster_named(site, producer), cluster_named(site, consumer)
    if source.uid == reader.uid:
        raise ValidationException(f"Cluster {producer} reads its own tables as they are: they are not shared with it")
    with opened(site, source.uid, f"Cluster {producer}") as deks, site.catalogue.write() as catalogue:
        known = catalogue.execute("SELECT token FROM data_share WHERE name = ? OR token = ?", (name, token)).fetchone()
        if known is not None and known[0] == token:
            return  # the same call, elsewhere, was quicker
        if known is not None:
            raise AlreadyExistsException(
                f"A data share {name} exists already in {site.region}",
                suggestion="Import it, or choose another name.",
            )
        uid = site.uid()
        catalogue.execute(
            "INSERT INTO data_share (uid, name, token, producer, consumer, created_at) VALUES (?,?,?,?,?,?)",
            (uid, name, token, source.uid, reader.uid, site.now().isoformat()),
        )
        _set_tables(catalogue, site, uid, tables, deks)
        for cluster, told in ((source, f"shared with {consumer}"), (reader, f"shared by {producer}")):
            _tell(catalogue, site, cluster, f"Data share {name}: {', '.join(sorted(tables))} {told}")


def alter(site: Site, name: str, tables: Sequence[str]) -> None:
    """The share has these tables and no others. ResourceNotFoundException."""
    uid, producer = _found(site, name)
    with opened(site, producer, f"The producer of data share {name}") as deks, site.catalogue.write() as catalogue:
        _set_tables(catalogue, site, uid, tables, deks)
        source = cluster_where(catalogue, "uid = ?", producer)
        if source is not None:
            _tell(catalogue, site, source, f"Data share {name} has these tables now: {', '.join(sorted(tables))}")


def producer_of(site: Site, name: str) -> str:
    """Uid of the cluster whose tables the share has. ResourceNotFoundException."""
    return _found(site, name)[1]


def delete(site: Site, name: str) -> None:
    """No longer shared; needs no key. No error when it is gone."""
    with site.catalogue.write() as catalogue:
        row = catalogue.execute("DELETE FROM data_share WHERE name = ? RETURNING producer", (name,)).fetchone()
        source = None if row is None else cluster_where(catalogue, "uid = ?", row[0])
        if source is not None:
            _tell(catalogue, site, source, f"Data share {name} was removed")


def readable_by(site: Site, consumer: str) -> dict[str, SharedTable]:
    """What is shared with the cluster of that uid, by ``<share>.<table>``; to be vouched for before it is read."""
    with site.catalogue.read() as catalogue:
        rows = [] if catalogue is None else catalogue.execute(f"{_SHARED} WHERE d.consumer = ?", (consumer,)).fetchall()
    return {one.key: one for one in map(_shared, rows)}


def require_vouched(shared: Collection[SharedTable], deks: OpenDeks) -> None:
    """DamagedStore unless the producer's own key vouches for each of them."""
    for one in shared:
        if not _is_vouched(one, deks):
            raise DamagedStore(
                f"Table {one.key} was never shared by its producer: the catalogue was changed outside",
                suggestion="Nothing of it was read. Remove the share and make it again, if it is meant.",
            )


def vouch_anew(
    catalogue: sqlite3.Connection, producer: str, *, before: str | None, dek: str, deks: Mapping[str, DataKey]
) -> None:
    """In the commit that gives the producer the key ``dek`` after ``before`` (None: it had none). What was not vouched
    for before is not after."""
    old = {} if before is None else {before: deks[before]}
    for row in catalogue.execute(f"{_SHARED} WHERE d.producer = ?", (producer,)).fetchall():
        one = _shared(row)
        if _is_vouched(one, old):
            catalogue.execute(
                "UPDATE data_share_table SET proof = ? WHERE share = ? AND data_table = ?",
                (_proof(deks[dek], one.share_uid, one.share, one.consumer, one.table), one.share_uid, one.table),
            )


_SHARED: Final = """SELECT d.name, d.uid, d.producer, d.consumer, s.data_table, t.name, s.proof
    FROM data_share d JOIN data_share_table s ON s.share = d.uid
    JOIN data_table t ON t.uid = s.data_table AND t.cluster = d.producer"""


def _shared(row: Any) -> SharedTable:
    return SharedTable(
        key=f"{row[0]}.{row[5]}",
        share=row[0],
        share_uid=row[1],
        producer=row[2],
        consumer=row[3],
        table=row[4],
        table_name=row[5],
        proof=row[6],
    )


def _set_tables(catalogue: sqlite3.Connection, site: Site, share: str, tables: Sequence[str], deks: OpenDeks) -> None:
    """The share's tables, each vouched for by the producer's present key."""
    row = catalogue.execute(
        """SELECT d.name, d.consumer, p.name, p.uid, p.dek FROM data_share d JOIN cluster p ON p.uid = d.producer
           WHERE d.uid = ?""",
        (share,),
    ).fetchone()
    if row is None:
        raise ResourceNotFoundException(f"The data share is gone from {site.region} meanwhile")
    name, consumer, producer, source, dek = row
    # What a table is called is believed under the manifest only: else another would be vouched for by its name (I9).
    manifest.check_root(catalogue, "cluster", source, producer, deks)
    there = dict(catalogue.execute("SELECT name, uid FROM data_table WHERE cluster = ?", (source,)))
    if missing := sorted(set(tables) - there.keys()):
        raise ResourceNotFoundException(
            f"Cluster {producer} has no table {', '.join(missing)}", suggestion="Load it first, then share it."
        )
    key = None if dek is None else key_named(deks, dek)
    catalogue.execute("DELETE FROM data_share_table WHERE share = ?", (share,))
    catalogue.executemany(
        "INSERT INTO data_share_table (share, data_table, proof) VALUES (?,?,?)",
        [
            (share, uid, None if key is None else _proof(key, share, name, consumer, uid))
            for uid in sorted({there[table] for table in tables})
        ],
    )


def _is_made(site: Site, token: str) -> bool:
    with site.catalogue.read() as catalogue:
        row = None
        if catalogue is not None:
            row = catalogue.execute("SELECT 1 FROM data_share WHERE token = ?", (token,)).fetchone()
    return row is not None


def _found(site: Site, name: str) -> tuple[str, str]:
    with site.catalogue.read() as catalogue:
        row = None
        if catalogue is not None:
            row = catalogue.execute("SELECT uid, producer FROM data_share WHERE name = ?", (name,)).fetchone()
    if row is None:
        raise ResourceNotFoundException(f"There is no data share {name} in {site.region}")
    return row[0], row[1]


def _is_vouched(one: SharedTable, deks: OpenDeks) -> bool:
    if not deks:
        return True
    return any(
        hmac.compare_digest(_proof(key, one.share_uid, one.share, one.consumer, one.table), one.proof or b"")
        for key in deks.values()
    )


def _proof(key: DataKey, share: str, name: str, consumer: str, table: str) -> bytes:
    with DataKey(HmacSha256(key).tag("reconciler/data-share-key/v1", b"")) as derived:
        return HmacSha256(derived).tag("reconciler/data-share/v1", encode(share, name, consumer, table))


def _tell(catalogue: sqlite3.Connection, site: Site, cluster: ClusterRow, message: str) -> None:
    events.note(catalogue, cluster.uid, cluster.name, events.SECURITY, events.INFO, message, at=site.now())
