"""The manifest: one MAC, keyed from the DEK, over which tables and segments there are, in which version (I7, I9).

Each commit that changes a cluster's segments raises the version and makes the tag anew; each opening checks it. What is
moved, dropped, added or set back in the catalogue by anything but this code is refused. A rollback of catalogue, key
ring and files together is older authentic data: only the version and tag, kept elsewhere, can tell
(``Warehouse.manifest_anchor``). A cluster without encryption has a digest without key in the tag's place.
"""

from __future__ import annotations

import hashlib
import hmac
import sqlite3
from collections.abc import Mapping

from reconciler.envelope.canonical import encode
from reconciler.envelope.data_key import DataKey
from reconciler.envelope.mac import HmacSha256
from reconciler.errors import ConflictException, DamagedStore, ResourceNotFoundException
from reconciler_warehouse.key_tables import tag_of

_TABLES = {
    "cluster": "SELECT uid, name, backup FROM data_table WHERE cluster = ? ORDER BY uid",
    "snapshot": "SELECT uid, name, 1 FROM snapshot_table WHERE snapshot = ? ORDER BY uid",
}
_LOADS = """SELECT l.data_table, l.ordinal, l.digest FROM load l JOIN data_table t ON t.uid = l.data_table
            WHERE t.cluster = ? ORDER BY l.data_table, l.ordinal"""
_SEGMENTS = {
    "cluster": """
        SELECT s.data_table, s.ordinal, s.uid, s.rows, k.generation, k.dek,
               CASE WHEN k.dek IS NULL THEN k.body ELSE substr(k.body, -16) END
        FROM segment s JOIN data_table t ON t.uid = s.data_table JOIN key_table k ON k.id = s.key_table
        WHERE t.cluster = ? ORDER BY s.data_table, s.ordinal, s.uid""",
    "snapshot": """
        SELECT s.data_table, s.ordinal, s.uid, s.rows, k.generation, k.dek,
               CASE WHEN k.dek IS NULL THEN k.body ELSE substr(k.body, -16) END
        FROM snapshot_segment s JOIN key_table k ON k.id = s.key_table
        WHERE s.snapshot = ? ORDER BY s.data_table, s.ordinal, s.uid""",
}


def reseal_cluster(catalogue: sqlite3.Connection, uid: str, deks: Mapping[str, DataKey], expected: int) -> None:
    """Give the cluster's manifest its next version, inside the transaction that changed it.

    ConflictException when the version is not ``expected``: somebody else committed since it was read.
    """
    row = catalogue.execute("SELECT manifest_version, dek, name FROM cluster WHERE uid = ?", (uid,)).fetchone()
    if row is None or row[0] != expected:
        raise ConflictException(
            "The cluster was changed by somebody else meanwhile; nothing of this call was committed",
            suggestion="Run the command again.",
        )
    version, dek, name = row
    tag = _tag(catalogue, "cluster", uid, name=name, version=version + 1, dek=dek, deks=deks)
    catalogue.execute(
        "UPDATE cluster SET manifest_version = ?, manifest_tag = ? WHERE uid = ?", (version + 1, tag, uid)
    )


def seal_snapshot(catalogue: sqlite3.Connection, uid: str, deks: Mapping[str, DataKey]) -> None:
    """Give a new snapshot its manifest."""
    dek, name = catalogue.execute("SELECT dek, name FROM snapshot WHERE uid = ?", (uid,)).fetchone()
    catalogue.execute(
        "UPDATE snapshot SET manifest_version = 1, manifest_tag = ? WHERE uid = ?",
        (_tag(catalogue, "snapshot", uid, name=name, version=1, dek=dek, deks=deks), uid),
    )


def check(catalogue: sqlite3.Connection, what: str, uid: str, name: str, deks: Mapping[str, DataKey]) -> None:
    """DamagedStore unless the manifest of the ``what`` (cluster or snapshot) is the one that was sealed."""
    row = catalogue.execute(
        f"SELECT manifest_version, manifest_tag, dek, name FROM {what} WHERE uid = ?",  # noqa: S608  # cluster or snapshot
        (uid,),
    ).fetchone()
    if row is None:
        raise ResourceNotFoundException(f"There is no {what} {name} any more")
    version, tag, dek, kept_name = row
    made = _tag(catalogue, what, uid, name=kept_name, version=version, dek=dek, deks=deks)
    is_downgraded = dek is None and bool(deks) and not _is_between(catalogue, uid)
    if tag is None or is_downgraded or not hmac.compare_digest(tag, made):
        raise DamagedStore(
            f"The manifest of {what} {name} does not match its tables and segments: the catalogue was changed outside",
            suggestion="Nothing was repaired by guessing. Restore the warehouse's folder from a backup.",
        )


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


def _tag(
    catalogue: sqlite3.Connection,
    what: str,
    uid: str,
    *,
    name: str,
    version: int,
    dek: str | None,
    deks: Mapping[str, DataKey],
) -> bytes:
    parts = [encode("reconciler/manifest/v1", what, uid, name, version, dek)]
    parts += [encode("table", *row) for row in catalogue.execute(_TABLES[what], (uid,))]
    parts += [encode("load", *row) for row in catalogue.execute(_LOADS, (uid,))]
    for table, ordinal, segment, rows, generation, segment_dek, proof in catalogue.execute(_SEGMENTS[what], (uid,)):
        tag = tag_of(proof, segment_dek)
        parts.append(encode("segment", table, ordinal, segment, rows, generation, segment_dek, tag))
    message = b"".join(parts)
    if dek is None:
        return hashlib.sha256(message).digest()
    if dek not in deks:
        raise DamagedStore(
            f"The key ring has no database key {dek}, which the catalogue names for {what} {uid}",
            suggestion="Catalogue and key ring belong together: restore both from the same backup.",
        )
    with DataKey(HmacSha256(deks[dek]).tag("reconciler/manifest-key/v1", b"")) as key:
        return HmacSha256(key).tag("reconciler/manifest/v1", message)
