"""The tables of a key store, and the numbers by which its file is known (README, "The store").

Times are whole microseconds since 1970 in UTC. ``sealed`` is key material under the store key and nothing else; the
one row of ``seal`` is that key, wrapped (``sealing.row``). ``mark``
remembers how far the state of a lineage has come (I16), under a MAC of the store key.

``materials.sealed`` is NULL where imported material was deleted or has expired; ``proof`` is a MAC of what it was.
``keys.expires_at`` is the first of its materials' expiries, ``rotation_at`` when the next automatic rotation is due.
Of a multi-Region key, ``replicas`` are the Regions of all its replicas (JSON), ``shared_serial`` counts the changes of
what its Regions share, ``unsettled`` says that not all of them may know the newest; ``replicating`` holds replicas that
are being made. ``destroyed.untold`` is the Region whose primary is still to be told that this
replica is gone. ``wrapping_keys`` are private keys, sealed, for material that is to be imported.

``audit`` is a chain (``audit_chain``). What many records of a batch say alike stands once, in ``audit_said``, under the
serial of the first of them: a seventh of the size, two thirds of the time to write. ``audit_coming`` are records that
nobody with the seal has chained yet, and ``audit_spools`` says up to which number the records of a spool were moved
(``audit_trail``).
"""

from __future__ import annotations

from typing import Final

from reconciler.host.fencing import with_fence

WHAT: Final = "key store"
FORMAT: Final = 2
APPLICATION_ID: Final = 0x524B5354  # "RKST"

SCHEMA: Final = with_fence("""
CREATE TABLE seal (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    seal_id BLOB NOT NULL,
    kind TEXT NOT NULL,
    parameters TEXT NOT NULL,
    wrapped BLOB NOT NULL,
    generation INTEGER NOT NULL,
    retired BLOB
) STRICT;
CREATE TABLE keys (
    key_id TEXT PRIMARY KEY,
    token TEXT UNIQUE,
    owner TEXT UNIQUE,
    description TEXT NOT NULL,
    key_spec TEXT NOT NULL,
    key_usage TEXT NOT NULL,
    state TEXT NOT NULL,
    multi_region INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    material_id TEXT NOT NULL,
    rotated_at INTEGER NOT NULL,
    rotation_days INTEGER,
    deletion_at INTEGER,
    policy TEXT,
    tags TEXT NOT NULL,
    origin TEXT NOT NULL,
    expires_at INTEGER,
    rotation_at INTEGER,
    waiting_days INTEGER,
    primary_region TEXT,
    replicas TEXT NOT NULL,
    shared_serial INTEGER NOT NULL,
    unsettled INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX keys_to_destroy ON keys (deletion_at) WHERE deletion_at IS NOT NULL;
CREATE INDEX keys_to_expire ON keys (expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE materials (
    key_id TEXT NOT NULL REFERENCES keys,
    material_id TEXT NOT NULL UNIQUE,
    token TEXT,
    kind TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    sealed BLOB,
    proof BLOB,
    expires_at INTEGER,
    description TEXT,
    PRIMARY KEY (key_id, material_id),
    UNIQUE (key_id, token)
) STRICT, WITHOUT ROWID;
CREATE TABLE wrapping_keys (
    wrapping_id BLOB PRIMARY KEY,
    key_id TEXT NOT NULL REFERENCES keys,
    algorithm TEXT NOT NULL,
    valid_to INTEGER NOT NULL,
    sealed BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX wrapping_keys_by_key ON wrapping_keys (key_id);
CREATE INDEX wrapping_keys_to_drop ON wrapping_keys (valid_to);
CREATE TABLE replicating (
    key_id TEXT NOT NULL REFERENCES keys,
    region TEXT NOT NULL,
    row TEXT NOT NULL,
    PRIMARY KEY (key_id, region)
) STRICT, WITHOUT ROWID;
CREATE TABLE destroyed (
    key_id TEXT PRIMARY KEY,
    destroyed_at INTEGER NOT NULL,
    untold TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX destroyed_untold ON destroyed (untold) WHERE untold IS NOT NULL;
CREATE TABLE aliases (
    name TEXT PRIMARY KEY,
    key_id TEXT NOT NULL REFERENCES keys,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX aliases_by_key ON aliases (key_id);
CREATE TABLE grants (
    grant_id TEXT PRIMARY KEY,
    key_id TEXT NOT NULL REFERENCES keys,
    grantee TEXT NOT NULL,
    retiring TEXT,
    operations TEXT NOT NULL,
    name TEXT,
    subset TEXT,
    equals TEXT,
    created_at INTEGER NOT NULL,
    request TEXT,
    source_arn TEXT,
    UNIQUE (key_id, request)
) STRICT, WITHOUT ROWID;
CREATE INDEX grants_by_constraint ON grants (key_id, grantee, coalesce(equals, subset));
CREATE INDEX grants_by_key ON grants (key_id, grant_id);
CREATE INDEX grants_by_retiring ON grants (retiring, grant_id) WHERE retiring IS NOT NULL;
CREATE TABLE audit (
    serial INTEGER PRIMARY KEY,
    time INTEGER NOT NULL,
    request_id BLOB NOT NULL,
    event_id BLOB NOT NULL,
    said INTEGER NOT NULL,
    hash BLOB NOT NULL
) STRICT;
CREATE TABLE audit_said (
    said INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    principal TEXT NOT NULL,
    account TEXT NOT NULL,
    via_service TEXT,
    key_arns TEXT NOT NULL,
    parameters TEXT,
    error_code TEXT,
    rest TEXT
) STRICT;
CREATE TABLE audit_coming (
    number INTEGER PRIMARY KEY,
    time INTEGER NOT NULL,
    request_id BLOB NOT NULL,
    event_id BLOB NOT NULL,
    name TEXT NOT NULL,
    principal TEXT NOT NULL,
    account TEXT NOT NULL,
    via_service TEXT,
    key_arns TEXT NOT NULL,
    parameters TEXT,
    error_code TEXT,
    rest TEXT
) STRICT;
CREATE TABLE audit_head (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    serial INTEGER NOT NULL,
    hash BLOB NOT NULL,
    mac BLOB NOT NULL
) STRICT;
CREATE TABLE audit_spools (
    name TEXT PRIMARY KEY,
    moved INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE mark (
    lineage TEXT PRIMARY KEY,
    token INTEGER NOT NULL,
    serial INTEGER NOT NULL,
    head TEXT NOT NULL,
    mac BLOB NOT NULL
) STRICT, WITHOUT ROWID
""")
