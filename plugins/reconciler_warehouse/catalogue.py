"""The catalogue: which clusters, tables, segments and snapshots there are. Holds no key, and no value of any row.

In clear, since describing must ask no key service: names of clusters, tables and snapshots, counts of rows and bytes,
digests of loaded files, times. Column names, types, zone maps and block keys stand in key tables, sealed under the DEK.

``key_table`` and ``delete_vector`` rows never change; a segment and the snapshots of it point at the same row until one
of them moves on.
A snapshot is a moment: ``snapshot_clock`` counts them, a segment's row says from which on it is as it is (``born``).
So taking one writes nothing about segments. A row that is changed or removed, and that a snapshot has, is kept for it
in ``past_segment`` until its last one goes: by triggers, so that no code can forget to. What a snapshot has is the view
``snapshot_segment``.

``pending`` files were begun and not committed (``in_clear_for``: the cluster whose rows they hold in clear), ``trash``
files are no longer referred to; both are swept. ``gone``
holders have left the catalogue by a commit, so that their keys may be dropped: absence alone never drops a key (I3).
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from reconciler.host.fencing import WhoWrites, nobody
from reconciler.host.store import Store

FORMAT: Final = 3
APPLICATION_ID: Final = 0x52574301  # "RWC", 1

SCHEMA: Final = """
CREATE TABLE cluster (
    uid TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, token TEXT NOT NULL UNIQUE, status TEXT NOT NULL,
    node_type TEXT NOT NULL, nodes INTEGER NOT NULL, database TEXT NOT NULL, created_at TEXT NOT NULL,
    dek TEXT, rotated_at TEXT, manifest_version INTEGER NOT NULL DEFAULT 0, manifest_tag BLOB,
    snapshot_every INTEGER, snapshot_retention INTEGER, scheduled_at TEXT, escrow_arn TEXT,
    inaccessible_since TEXT, inaccessible_cause TEXT, inaccessible_backup TEXT, inaccessible_overdue TEXT,
    status_before TEXT
) STRICT;
CREATE TABLE data_table (
    uid TEXT PRIMARY KEY, cluster TEXT NOT NULL REFERENCES cluster(uid) ON DELETE CASCADE, name TEXT NOT NULL,
    backup INTEGER NOT NULL, UNIQUE (cluster, name)
) STRICT;
CREATE TABLE load (
    data_table TEXT NOT NULL REFERENCES data_table(uid) ON DELETE CASCADE, digest TEXT NOT NULL,
    ordinal INTEGER NOT NULL, PRIMARY KEY (data_table, digest)
) STRICT;
CREATE TABLE key_table (
    id INTEGER PRIMARY KEY, segment TEXT NOT NULL, generation INTEGER NOT NULL, dek TEXT, body BLOB NOT NULL
) STRICT;
CREATE TABLE delete_vector (
    id INTEGER PRIMARY KEY, segment TEXT NOT NULL, version INTEGER NOT NULL, rows INTEGER NOT NULL, dek TEXT,
    body BLOB NOT NULL
) STRICT;
CREATE TABLE inline (file TEXT PRIMARY KEY, content BLOB NOT NULL) STRICT;
CREATE TABLE manifest_page (
    holder TEXT NOT NULL, data_table TEXT NOT NULL, page INTEGER NOT NULL, digest BLOB NOT NULL,
    PRIMARY KEY (holder, data_table, page)
) STRICT, WITHOUT ROWID;
CREATE TABLE segment (
    number INTEGER PRIMARY KEY, uid TEXT NOT NULL UNIQUE,
    data_table TEXT NOT NULL REFERENCES data_table(uid) ON DELETE CASCADE,
    ordinal INTEGER NOT NULL, file TEXT NOT NULL, key_table INTEGER NOT NULL REFERENCES key_table(id),
    rows INTEGER NOT NULL, bytes INTEGER NOT NULL, next_generation INTEGER NOT NULL,
    delete_vector INTEGER REFERENCES delete_vector(id), identity TEXT, born INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX segment_of_table ON segment (data_table, ordinal);
CREATE INDEX segment_file ON segment (file);
CREATE INDEX segment_key_table ON segment (key_table);
CREATE INDEX segment_delete_vector ON segment (delete_vector) WHERE delete_vector IS NOT NULL;
CREATE TABLE snapshot (
    uid TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, token TEXT NOT NULL UNIQUE, status TEXT NOT NULL,
    kind TEXT NOT NULL, cluster TEXT NOT NULL, cluster_uid TEXT NOT NULL, moment INTEGER,
    created_at TEXT NOT NULL, cluster_created_at TEXT NOT NULL, expires_at TEXT, dek TEXT, source_region TEXT,
    source_arn TEXT, origin TEXT NOT NULL, manifest_version INTEGER NOT NULL DEFAULT 0, manifest_tag BLOB,
    bytes INTEGER NOT NULL DEFAULT 0, copied_at TEXT, sealed_as TEXT
) STRICT;
CREATE INDEX snapshot_of_cluster ON snapshot (cluster_uid);
CREATE TABLE snapshot_table (
    snapshot TEXT NOT NULL REFERENCES snapshot(uid) ON DELETE CASCADE, uid TEXT NOT NULL, name TEXT NOT NULL,
    PRIMARY KEY (snapshot, uid)
) STRICT;
CREATE TABLE snapshot_load (
    snapshot TEXT NOT NULL REFERENCES snapshot(uid) ON DELETE CASCADE, data_table TEXT NOT NULL, digest TEXT NOT NULL,
    ordinal INTEGER NOT NULL, PRIMARY KEY (snapshot, data_table, digest)
) STRICT;
CREATE INDEX snapshot_of_table ON snapshot_table (uid);
CREATE TABLE snapshot_clock (only_row INTEGER PRIMARY KEY CHECK (only_row = 0), moment INTEGER NOT NULL) STRICT;
CREATE TABLE past_segment (
    number INTEGER PRIMARY KEY, uid TEXT NOT NULL, data_table TEXT NOT NULL, ordinal INTEGER NOT NULL,
    file TEXT NOT NULL, key_table INTEGER NOT NULL REFERENCES key_table(id), rows INTEGER NOT NULL,
    bytes INTEGER NOT NULL, delete_vector INTEGER REFERENCES delete_vector(id), identity TEXT,
    born INTEGER NOT NULL, died INTEGER NOT NULL
) STRICT;
CREATE INDEX past_uid ON past_segment (uid);
CREATE INDEX past_of_table ON past_segment (data_table, ordinal);
CREATE INDEX past_file ON past_segment (file);
CREATE INDEX past_key_table ON past_segment (key_table);
CREATE INDEX past_delete_vector ON past_segment (delete_vector) WHERE delete_vector IS NOT NULL;
CREATE VIEW snapshot_segment AS
    SELECT p.uid AS snapshot, s.uid, s.data_table, s.ordinal, s.file, s.key_table, s.rows, s.bytes, s.delete_vector,
           s.identity
    FROM snapshot p JOIN snapshot_table t ON t.snapshot = p.uid
    JOIN segment s ON s.data_table = t.uid AND s.born <= p.moment
    UNION ALL
    SELECT p.uid, s.uid, s.data_table, s.ordinal, s.file, s.key_table, s.rows, s.bytes, s.delete_vector, s.identity
    FROM snapshot p JOIN snapshot_table t ON t.snapshot = p.uid
    JOIN past_segment s ON s.data_table = t.uid AND s.born <= p.moment AND s.died > p.moment;
CREATE TRIGGER segment_is_born AFTER INSERT ON segment BEGIN
    UPDATE segment SET born = 1 + coalesce((SELECT moment FROM snapshot_clock WHERE only_row = 0), 0)
    WHERE uid = NEW.uid;
END;
CREATE TRIGGER snapshots_keep_what_changes
AFTER UPDATE OF uid, data_table, ordinal, file, key_table, rows, bytes, delete_vector, identity ON segment
WHEN EXISTS (
    SELECT 1 FROM snapshot_table t JOIN snapshot p ON p.uid = t.snapshot
    WHERE t.uid = OLD.data_table AND p.moment >= OLD.born
) BEGIN
    INSERT INTO past_segment
        (uid, data_table, ordinal, file, key_table, rows, bytes, delete_vector, identity, born, died)
    SELECT OLD.uid, OLD.data_table, OLD.ordinal, OLD.file, OLD.key_table, OLD.rows, OLD.bytes, OLD.delete_vector,
           OLD.identity, OLD.born, 1 + moment FROM snapshot_clock WHERE only_row = 0;
    UPDATE segment SET born = (SELECT 1 + moment FROM snapshot_clock WHERE only_row = 0) WHERE uid = NEW.uid;
END;
CREATE TRIGGER snapshots_keep_what_goes AFTER DELETE ON segment
WHEN EXISTS (
    SELECT 1 FROM snapshot_table t JOIN snapshot p ON p.uid = t.snapshot
    WHERE t.uid = OLD.data_table AND p.moment >= OLD.born
) BEGIN
    INSERT INTO past_segment
        (uid, data_table, ordinal, file, key_table, rows, bytes, delete_vector, identity, born, died)
    SELECT OLD.uid, OLD.data_table, OLD.ordinal, OLD.file, OLD.key_table, OLD.rows, OLD.bytes, OLD.delete_vector,
           OLD.identity, OLD.born, 1 + moment FROM snapshot_clock WHERE only_row = 0;
END;
CREATE TRIGGER past_goes_with_its_last_snapshot BEFORE DELETE ON snapshot BEGIN
    DELETE FROM past_segment
    WHERE data_table IN (SELECT uid FROM snapshot_table WHERE snapshot = OLD.uid)
    AND born <= OLD.moment AND died > OLD.moment
    AND NOT EXISTS (
        SELECT 1 FROM snapshot_table t JOIN snapshot p ON p.uid = t.snapshot
        WHERE t.uid = past_segment.data_table AND p.uid != OLD.uid
        AND p.moment >= past_segment.born AND p.moment < past_segment.died
    );
END;
CREATE TABLE snapshot_copy (
    cluster TEXT PRIMARY KEY REFERENCES cluster(uid) ON DELETE CASCADE, region TEXT NOT NULL, grant_name TEXT,
    retention_days INTEGER NOT NULL, root_kind TEXT NOT NULL, root_arn TEXT, provider TEXT, since TEXT NOT NULL,
    proof BLOB
) STRICT;
CREATE INDEX copy_through ON snapshot_copy (region, grant_name);
CREATE TABLE operation (
    token TEXT PRIMARY KEY, verb TEXT NOT NULL, cluster TEXT NOT NULL, facts TEXT NOT NULL, finished INTEGER NOT NULL,
    proof BLOB
) STRICT;
CREATE INDEX operation_open ON operation (cluster) WHERE NOT finished;
CREATE TABLE statement (
    token TEXT PRIMARY KEY, cluster TEXT NOT NULL REFERENCES cluster(uid) ON DELETE CASCADE, verb TEXT NOT NULL,
    rows INTEGER, dek TEXT, proof BLOB NOT NULL
) STRICT;
CREATE INDEX statement_of_cluster ON statement (cluster);
CREATE TABLE change_progress (
    operation TEXT PRIMARY KEY, cluster TEXT NOT NULL, begun_at TEXT NOT NULL, segments_done INTEGER NOT NULL,
    bytes_done INTEGER NOT NULL, segments_total INTEGER NOT NULL, bytes_total INTEGER NOT NULL, busy REAL NOT NULL
) STRICT;
CREATE TABLE lease (
    segment TEXT PRIMARY KEY, operation TEXT NOT NULL, worker TEXT NOT NULL, until TEXT NOT NULL,
    attempt INTEGER NOT NULL
) STRICT;
CREATE TABLE data_share (
    uid TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, token TEXT NOT NULL UNIQUE,
    producer TEXT NOT NULL REFERENCES cluster(uid) ON DELETE CASCADE,
    consumer TEXT NOT NULL REFERENCES cluster(uid) ON DELETE CASCADE, created_at TEXT NOT NULL
) STRICT;
CREATE INDEX share_producer ON data_share (producer);
CREATE INDEX share_consumer ON data_share (consumer);
CREATE TABLE data_share_table (
    share TEXT NOT NULL REFERENCES data_share(uid) ON DELETE CASCADE,
    data_table TEXT NOT NULL REFERENCES data_table(uid) ON DELETE CASCADE, proof BLOB, PRIMARY KEY (share, data_table)
) STRICT;
CREATE TABLE event (
    id INTEGER PRIMARY KEY, at TEXT NOT NULL, cluster_uid TEXT NOT NULL, cluster TEXT NOT NULL, category TEXT NOT NULL,
    severity TEXT NOT NULL, message TEXT NOT NULL
) STRICT;
CREATE INDEX event_of_cluster ON event (cluster_uid, id);
CREATE TABLE manifest_past (
    cluster TEXT NOT NULL REFERENCES cluster(uid) ON DELETE CASCADE, version INTEGER NOT NULL, tag BLOB NOT NULL,
    PRIMARY KEY (cluster, version)
) STRICT, WITHOUT ROWID;
CREATE TABLE pending (file TEXT PRIMARY KEY, process INTEGER NOT NULL, in_clear_for TEXT) STRICT;
CREATE TABLE trash (file TEXT PRIMARY KEY, epoch INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE TABLE reading_epoch (only_row INTEGER PRIMARY KEY CHECK (only_row = 0), number INTEGER NOT NULL) STRICT;
CREATE TABLE gone (holder TEXT PRIMARY KEY) STRICT;
"""


def catalogue(folder: Path, who_writes: WhoWrites = nobody) -> Store:
    """The catalogue in a warehouse's folder."""
    return Store(
        folder / "catalogue.db",
        what="warehouse catalogue",
        schema=SCHEMA,
        format_number=FORMAT,
        application_id=APPLICATION_ID,
        who_writes=who_writes,
    )
