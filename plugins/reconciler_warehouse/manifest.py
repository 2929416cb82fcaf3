"""The manifest: one MAC, keyed from the DEK, over which tables and segments there are, in which version (I7, I9).

Segments of one table stand in *pages* of 256 by their ordinal; a page's digest is the SHA-256 of its lines, one line a
segment. The *root* is the MAC over what the cluster or snapshot is called, its version, its tables, what was loaded and
the digests of all pages. A commit that changes segments hashes their pages anew and the root, never the rest; so its
cost does not grow with the cluster. Before that it checks the root and the very pages: what was moved, dropped, added
or set back in the catalogue by anything but this code is refused, and never sealed again by somebody else's commit.

A rollback of catalogue, key ring and files together is older authentic data: only the version and tag, kept elsewhere,
can tell (``ManifestMark``). A cluster without encryption has a digest without key in the tag's place.
"""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
import sqlite3
import struct
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from reconciler.envelope.canonical import encode
from reconciler.envelope.data_key import DataKey
from reconciler.envelope.mac import HmacSha256
from reconciler.errors import DamagedStore, ResourceNotFoundException
from reconciler_warehouse.keys.mode_changed import StaleKeys
from reconciler_warehouse.online import mode

PAGE_SEGMENTS: Final = 256
REMEMBERED: Final = 10_000  # tags of a cluster: by them a copy that went on from an older one is told (I16)

_HEADS: Final = {
    "cluster": """SELECT name, manifest_version, dek, manifest_tag,
                         json_array(escrow_arn, snapshot_every, snapshot_retention) FROM cluster WHERE uid = ?""",
    "snapshot": """SELECT name, manifest_version, dek, manifest_tag, json_array(cluster_uid, origin)
                   FROM snapshot WHERE uid = ?""",
}
_TABLES: Final = {
    "cluster": "SELECT uid, name, backup FROM data_table WHERE cluster = ? ORDER BY uid",
    "snapshot": "SELECT uid, name, 1 FROM snapshot_table WHERE snapshot = ? ORDER BY uid",
}
_LOADS: Final = {
    "cluster": """SELECT l.data_table, l.ordinal, l.digest FROM load l JOIN data_table t ON t.uid = l.data_table
                  WHERE t.cluster = ? ORDER BY l.data_table, l.ordinal""",
    "snapshot": """SELECT data_table, ordinal, digest FROM snapshot_load WHERE snapshot = ?
                   ORDER BY data_table, ordinal""",
}
_LINE: Final = f"""SELECT s.data_table, s.ordinal / {PAGE_SEGMENTS}, json_array(
    s.ordinal, s.uid, s.identity, s.rows, s.bytes, k.generation, k.dek,
    hex(CASE WHEN k.dek IS NULL THEN sha256(k.body) ELSE substr(k.body, -16) END),
    v.version, v.rows, v.dek, hex(CASE WHEN v.dek IS NULL THEN sha256(v.body) ELSE substr(v.body, -16) END))"""
_JOINED: Final = "JOIN key_table k ON k.id = s.key_table LEFT JOIN delete_vector v ON v.id = s.delete_vector"
_LINES: Final = {
    "cluster": f"{_LINE} FROM data_table t JOIN segment s ON s.data_table = t.uid {_JOINED} WHERE t.cluster = ?1",
    "snapshot": f"{_LINE} FROM snapshot_segment s {_JOINED} WHERE s.snapshot = ?1",
}
_IN_ORDER: Final = "ORDER BY s.data_table, s.ordinal, s.uid"
_PAGES: Final = "SELECT data_table, page, digest FROM manifest_page WHERE holder = ? ORDER BY data_table, page"

Page = tuple[str, int]


class Change:
    """A commit that changes a cluster: which pages of its manifest it touches."""

    def __init__(self, catalogue: sqlite3.Connection, cluster: str, name: str, dek: str | None) -> None:
        self._catalogue = catalogue
        self._dek = dek
        self._cluster = cluster
        self._name = name
        self.pages: set[Page] = set()

    def touch(self, table: str, ordinals: Iterable[int]) -> None:
        """Before segments of these ordinals are changed, added or removed. DamagedStore unless their pages are as they
        were sealed."""
        for page in {(table, ordinal // PAGE_SEGMENTS) for ordinal in ordinals} - self.pages:
            if _digest_now(self._catalogue, self._cluster, page) != _kept(self._catalogue, self._cluster, page):
                raise _tampered("cluster", self._name)
            self.pages.add(page)

    def require_live(self, dek: str | None) -> None:
        """See ``mode.require``: for each commit of new rows, which were written for ``dek`` (None: they are plain)."""
        mode.require(self._catalogue, self._cluster, dek)

    def touch_table(self, table: str) -> None:
        """Before all of a table's segments are changed or removed."""
        ordinals = self._catalogue.execute("SELECT DISTINCT ordinal FROM segment WHERE data_table = ?", (table,))
        self.touch(table, [ordinal for (ordinal,) in ordinals])


@contextmanager
def changing(catalogue: sqlite3.Connection, uid: str, deks: Mapping[str, DataKey]) -> Iterator[Change]:
    """Inside a transaction that changes a cluster: its manifest is checked before and sealed anew, with its next
    version, after. Segments may be changed whose pages were touched, its tables and loads as well, its name and key.

    DamagedStore when the root, or a page that is touched, is not the one that was sealed.
    """
    name, dek = _check_root(catalogue, "cluster", uid, deks)
    change = Change(catalogue, uid, name, dek)
    yield change
    for page in change.pages:
        _keep(catalogue, uid, page, _digest_now(catalogue, uid, page))
    _seal(catalogue, "cluster", uid, deks)


def seal_new_cluster(catalogue: sqlite3.Connection, uid: str, deks: Mapping[str, DataKey]) -> None:
    """Give a cluster that is being made its first manifest."""
    keep_pages(catalogue, "cluster", uid)
    _seal(catalogue, "cluster", uid, deks)


def seal_snapshot(catalogue: sqlite3.Connection, uid: str, cluster: str, deks: Mapping[str, DataKey]) -> None:
    """Give a new snapshot its manifest: the pages are those of the cluster that it was taken of, as far as the snapshot
    has the tables. The cluster's manifest was checked in the same transaction."""
    catalogue.execute(
        """INSERT INTO manifest_page (holder, data_table, page, digest)
           SELECT ?1, data_table, page, digest FROM manifest_page
           WHERE holder = ?2 AND data_table IN (SELECT uid FROM snapshot_table WHERE snapshot = ?1)""",
        (uid, cluster),
    )
    _seal(catalogue, "snapshot", uid, deks)


def carry_over(catalogue: sqlite3.Connection, uid: str, cluster: str) -> None:
    """Give a new snapshot the cluster's manifest as it stands, without any key: it has all of its tables, BACKUP NO
    ones too, and is checked by what the cluster was sealed as (RE8)."""
    catalogue.execute(
        """INSERT INTO manifest_page (holder, data_table, page, digest)
           SELECT ?, data_table, page, digest FROM manifest_page WHERE holder = ?""",
        (uid, cluster),
    )
    name, version, _, tag, settings = catalogue.execute(_HEADS["cluster"], (cluster,)).fetchone()
    left_out = [table for table, _, backup in catalogue.execute(_TABLES["cluster"], (cluster,)) if not backup]
    catalogue.execute(
        "UPDATE snapshot SET manifest_version = ?, manifest_tag = ?, sealed_as = ? WHERE uid = ?",
        (version, tag, json.dumps([cluster, name, settings, left_out]), uid),
    )


def left_out_of_backups(catalogue: sqlite3.Connection, snapshot: str) -> frozenset[str]:
    """Tables (uids) of a snapshot that are BACKUP NO all the same: it was made by ``carry_over``. Believed after
    ``check`` only."""
    row = catalogue.execute("SELECT sealed_as FROM snapshot WHERE uid = ?", (snapshot,)).fetchone()
    return frozenset() if row is None or row[0] is None else frozenset(json.loads(row[0])[3])


def check(catalogue: sqlite3.Connection, what: str, uid: str, name: str, deks: Mapping[str, DataKey]) -> None:
    """DamagedStore unless the whole manifest of the ``what`` (cluster or snapshot) is the one that was sealed."""
    _check_root(catalogue, what, uid, deks, name)
    kept = {(table, page): digest for table, page, digest in catalogue.execute(_PAGES, (uid,))}
    if dict(_digests(catalogue, what, uid)) != kept:
        raise _tampered(what, name)


def check_root(catalogue: sqlite3.Connection, what: str, uid: str, name: str, deks: Mapping[str, DataKey]) -> None:
    """The same for what is called, tables, loads and the pages' digests: not for the segments in the pages."""
    _check_root(catalogue, what, uid, deks, name)


def check_tables(
    catalogue: sqlite3.Connection, uid: str, name: str, deks: Mapping[str, DataKey], tables: Collection[str]
) -> None:
    """``check`` for the segments of these tables (uids) of a cluster only."""
    _check_root(catalogue, "cluster", uid, deks, name)
    kept = {(table, page): digest for table, page, digest in catalogue.execute(_PAGES, (uid,)) if table in tables}
    found: dict[Page, bytes] = {}
    for table in tables:
        found.update(_digests(catalogue, "cluster", uid, table))
    if found != kept:
        raise _tampered("cluster", name)


def keep_pages(catalogue: sqlite3.Connection, what: str, uid: str) -> None:
    """Keep the digests of all pages as the segments are: for what is new here, before its root is sealed or checked."""
    catalogue.execute("DELETE FROM manifest_page WHERE holder = ?", (uid,))
    for page, digest in _digests(catalogue, what, uid):
        _keep(catalogue, uid, page, digest)


def drop_pages(catalogue: sqlite3.Connection, uid: str) -> None:
    """The cluster or snapshot leaves the catalogue."""
    catalogue.execute("DELETE FROM manifest_page WHERE holder = ?", (uid,))


def _digests(
    catalogue: sqlite3.Connection, what: str, uid: str, table: str | None = None
) -> Iterator[tuple[Page, bytes]]:
    """Every page as its segments are now."""
    _provide_sha256(catalogue)
    narrowed = "" if table is None else "AND s.data_table = ?2"
    values = (uid,) if table is None else (uid, table)
    rows = catalogue.execute(f"{_LINES[what]} {narrowed} {_IN_ORDER}", values)
    for (of, number), lines in itertools.groupby(rows, key=lambda row: (row[0], row[1])):
        yield (of, number), _digest(of, number, (line for _, _, line in lines))


def _digest_now(catalogue: sqlite3.Connection, cluster: str, page: Page) -> bytes | None:
    """One page of a cluster as its segments are now, None when there is none of them."""
    _provide_sha256(catalogue)
    rows = catalogue.execute(
        f"{_LINES['cluster']} AND s.data_table = ?2 AND s.ordinal BETWEEN ?3 AND ?4 {_IN_ORDER}",
        (cluster, page[0], page[1] * PAGE_SEGMENTS, (page[1] + 1) * PAGE_SEGMENTS - 1),
    ).fetchall()
    return _digest(*page, (line for _, _, line in rows)) if rows else None


def _digest(table: str, page: int, lines: Iterable[str]) -> bytes:
    return hashlib.sha256(encode("reconciler/page/v1", table, page) + "\n".join(lines).encode()).digest()


def _kept(catalogue: sqlite3.Connection, holder: str, page: Page) -> bytes | None:
    row = catalogue.execute(
        "SELECT digest FROM manifest_page WHERE holder = ? AND data_table = ? AND page = ?", (holder, *page)
    ).fetchone()
    return None if row is None else bytes(row[0])


def _keep(catalogue: sqlite3.Connection, holder: str, page: Page, digest: bytes | None) -> None:
    if digest is None:
        catalogue.execute("DELETE FROM manifest_page WHERE holder = ? AND data_table = ? AND page = ?", (holder, *page))
    else:
        catalogue.execute(
            "INSERT OR REPLACE INTO manifest_page (holder, data_table, page, digest) VALUES (?,?,?,?)",
            (holder, *page, digest),
        )


def _check_root(
    catalogue: sqlite3.Connection, what: str, uid: str, deks: Mapping[str, DataKey], name: str = ""
) -> tuple[str, str | None]:
    """DamagedStore unless the root is the one that was sealed; what it is called and the DEK of new writes."""
    row = catalogue.execute(_HEADS[what], (uid,)).fetchone()
    if row is None:
        raise ResourceNotFoundException(f"There is no {what} {name or uid} any more")
    kept_name, version, dek, tag, settings = row
    try:
        made = _root(catalogue, what, uid, name=kept_name, version=version, dek=dek, settings=settings, deks=deks)
    except (struct.error, OverflowError, ValueError):  # what no commit of ours wrote, such as a negative number
        raise _tampered(what, kept_name) from None
    if dek is None and bool(deks) and not _is_between(catalogue, uid):
        raise _tampered(what, kept_name, StaleKeys)
    if tag is None or not hmac.compare_digest(tag, made):
        raise _tampered(what, kept_name)
    return str(kept_name), dek


def _is_between(catalogue: sqlite3.Connection, uid: str) -> bool:
    """Whether a cluster that is not encrypted may still, or already, have keys: just decrypted, about to be encrypted.
    At any other time its key ring says that the catalogue was turned to plaintext by somebody else (I18)."""
    return (
        catalogue.execute(
            """SELECT 1 FROM gone WHERE holder = ?1
               UNION SELECT 1 FROM operation WHERE cluster = ?1 AND verb = 'encrypt' AND NOT finished""",
            (uid,),
        ).fetchone()
        is not None
    )


def _seal(catalogue: sqlite3.Connection, what: str, uid: str, deks: Mapping[str, DataKey]) -> None:
    row = catalogue.execute(_HEADS[what], (uid,)).fetchone()
    if row is None:
        raise ResourceNotFoundException(f"There is no {what} {uid} any more")
    name, version, dek, _, settings = row
    tag = _root(catalogue, what, uid, name=name, version=version + 1, dek=dek, settings=settings, deks=deks)
    catalogue.execute(
        f"UPDATE {what} SET manifest_version = ?, manifest_tag = ? WHERE uid = ?",  # noqa: S608  # cluster or snapshot
        (version + 1, tag, uid),
    )
    if what == "cluster":
        catalogue.execute("INSERT OR REPLACE INTO manifest_past VALUES (?,?,?)", (uid, version + 1, tag))
        catalogue.execute(
            "DELETE FROM manifest_past WHERE cluster = ? AND version <= ?", (uid, version + 1 - REMEMBERED)
        )


def _root(
    catalogue: sqlite3.Connection,
    what: str,
    uid: str,
    *,
    name: str,
    version: int,
    dek: str | None,
    settings: str,
    deks: Mapping[str, DataKey],
) -> bytes:
    tables = catalogue.execute(_TABLES[what], (uid,)).fetchall()
    kept = None
    if what == "snapshot":
        (kept,) = catalogue.execute("SELECT sealed_as FROM snapshot WHERE uid = ?", (uid,)).fetchone()
    if kept is None:
        head = (what, uid, name, version, dek, settings)
    else:
        try:
            of, cluster, of_settings, left_out = json.loads(kept)
            head = ("cluster", str(of), str(cluster), version, dek, str(of_settings))
            tables = [(table, called, int(table not in left_out)) for table, called, _ in tables]
        except (ValueError, TypeError):
            raise _tampered(what, name) from None
    parts = [encode("reconciler/manifest/v2", *head)]
    parts += [encode("table", *row) for row in tables]
    parts += [encode("load", *row) for row in catalogue.execute(_LOADS[what], (uid,))]
    parts += [encode("page", table, page, bytes(digest)) for table, page, digest in catalogue.execute(_PAGES, (uid,))]
    message = b"".join(parts)
    if dek is None:
        return hashlib.sha256(message).digest()
    if dek not in deks:
        raise StaleKeys(
            f"The key ring has no database key {dek}, which the catalogue names for {what} {uid}",
            suggestion="Catalogue and key ring belong together: restore both from the same backup.",
        )
    with DataKey(HmacSha256(deks[dek]).tag("reconciler/manifest-key/v1", b"")) as key:
        return HmacSha256(key).tag("reconciler/manifest/v2", message)


def _provide_sha256(catalogue: sqlite3.Connection) -> None:
    """SQLite has no hash of its own; key tables of plain segments have no tag."""
    catalogue.create_function(
        "sha256", 1, lambda body: None if body is None else hashlib.sha256(body).digest(), deterministic=True
    )


def _tampered(what: str, name: str, how: type[DamagedStore] = DamagedStore) -> DamagedStore:
    return how(
        f"The manifest of {what} {name} does not match its tables and segments: the catalogue was changed outside",
        suggestion="Nothing was repaired by guessing. Restore the warehouse's folder from a backup.",
    )
