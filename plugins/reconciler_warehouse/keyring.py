"""The key ring: wrapped CEKs and DEKs with their contexts and grants, a store apart from the data they open (RE5, RE6).

A *holder* is a cluster or a snapshot; it points at the one CEK that opens its DEKs. New CEKs are first written beside
the old (staged: no holder points at them), read back and opened, and then taken by moving the pointers of all holders
in one commit (I2). A row leaves only when no holder points at it; a grant is retired only when no CEK and no copy grant
needs it any more. Nothing in here opens without the key service, or the HSM.

The CEK under an HSM never leaves its token, so ``wrapped`` is empty; ``cluster_key`` has every key that a partition was
asked for, and outlives the CEK: only there it is told which may be retired and destroyed (``cluster_keys``).

``escrow_wrap`` has DEKs once more, each under a key that is not the root (RE14); it goes with its holder (``escrow``).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from reconciler.errors import ConflictException, DamagedStore
from reconciler.host.fencing import WhoWrites, nobody
from reconciler.host.store import Store
from reconciler.providers.data import RootKind
from reconciler_warehouse.escrow_rows import drop_escrow_wraps, drop_unheld_wraps
from reconciler_warehouse.grant_rows import let_go
from reconciler_warehouse.stored_values import context as stored_context
from reconciler_warehouse.stored_values import root_kind

FORMAT: Final = 3
APPLICATION_ID: Final = 0x52574B01  # "RWK", 1

SCHEMA: Final = """
CREATE TABLE cek (
    uid TEXT PRIMARY KEY, material TEXT NOT NULL, operation TEXT NOT NULL, origin TEXT NOT NULL,
    root_kind TEXT NOT NULL, root_arn TEXT NOT NULL, context TEXT NOT NULL, grant_id TEXT, wrapped BLOB NOT NULL,
    made_at TEXT NOT NULL, verified INTEGER NOT NULL, staged INTEGER NOT NULL DEFAULT 1
) STRICT;
CREATE INDEX cek_staged ON cek (operation) WHERE staged;
CREATE INDEX cek_root ON cek (root_arn);
CREATE INDEX cek_material ON cek (material);
CREATE INDEX cek_grant ON cek (grant_id) WHERE grant_id IS NOT NULL;
CREATE TABLE holder (uid TEXT PRIMARY KEY, cek TEXT NOT NULL REFERENCES cek(uid)) STRICT;
CREATE INDEX holder_cek ON holder (cek);
CREATE TABLE holding (
    holder TEXT NOT NULL, cek TEXT NOT NULL REFERENCES cek(uid), dek TEXT NOT NULL, wrapped BLOB NOT NULL,
    under TEXT, PRIMARY KEY (holder, cek, dek)
) STRICT;
CREATE INDEX holding_cek ON holding (cek);
CREATE TABLE copy_grant (
    name TEXT PRIMARY KEY, uid TEXT NOT NULL, token TEXT NOT NULL UNIQUE, root_kind TEXT NOT NULL, root_arn TEXT,
    grant_id TEXT, ready INTEGER NOT NULL
) STRICT;
CREATE INDEX copy_grant_root ON copy_grant (root_arn);
CREATE INDEX copy_grant_grant ON copy_grant (grant_id) WHERE grant_id IS NOT NULL;
CREATE TABLE retiring (grant_id TEXT PRIMARY KEY, key_arn TEXT NOT NULL) STRICT;
CREATE TABLE cluster_key (
    key_id TEXT NOT NULL, partition TEXT NOT NULL, adopted INTEGER NOT NULL, taken INTEGER NOT NULL DEFAULT 0,
    let_go INTEGER NOT NULL DEFAULT 0, retired_at TEXT, PRIMARY KEY (key_id, partition)
) STRICT;
CREATE INDEX cluster_key_open ON cluster_key (partition, key_id) WHERE let_go;
CREATE INDEX cluster_key_retired ON cluster_key (partition, key_id) WHERE retired_at IS NOT NULL;
CREATE TABLE internal_root (id TEXT PRIMARY KEY) STRICT;
CREATE TABLE escrow_wrap (
    holder TEXT NOT NULL, dek TEXT NOT NULL, key_arn TEXT NOT NULL, context TEXT NOT NULL, grant_id TEXT,
    wrapped BLOB NOT NULL, made_at TEXT NOT NULL, PRIMARY KEY (holder, dek)
) STRICT;
CREATE TABLE escrow_grant (operation TEXT PRIMARY KEY, grant_id TEXT NOT NULL, key_arn TEXT NOT NULL) STRICT;
CREATE INDEX escrow_wrap_key ON escrow_wrap (key_arn);
CREATE INDEX escrow_wrap_grant ON escrow_wrap (grant_id) WHERE grant_id IS NOT NULL;
"""


def keyring(folder: Path, who_writes: WhoWrites = nobody) -> Store:
    """The key ring in a warehouse's folder."""
    return Store(
        folder / "keyring.db",
        what="key ring",
        schema=SCHEMA,
        format_number=FORMAT,
        application_id=APPLICATION_ID,
        who_writes=who_writes,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Cek:
    """A wrapped CEK. ``uid`` names this wrap, ``material`` the key inside (a re-wrap keeps it); ``origin`` is the uid
    of the cluster that it was made for; ``operation`` the token of the call that made it.

    Under an HSM ``root_arn`` is the partition's, ``material`` the id of the key in its token and ``wrapped`` empty.
    Not ``verified``: it was replicated there by the vendor's tools, and nobody has tried it yet (HS6).
    """

    uid: str
    material: str
    operation: str
    origin: str
    root_kind: RootKind
    root_arn: str
    context: Mapping[str, str]
    grant_id: str | None
    wrapped: bytes
    made_at: str
    verified: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """A DEK as one holder has it: wrapped under one CEK, or under another DEK of the same holder that is (``under``):
    so that an HSM is asked once, however many there are."""

    holder: str
    cek: str
    dek: str
    wrapped: bytes
    under: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterKey:
    """A key that a partition was asked for. ``taken``: something was under it; ``adopted``: the vendor's tools put it
    there."""

    key_id: str
    partition: str
    taken: bool
    adopted: bool


_CEK = "uid, material, operation, origin, root_kind, root_arn, context, grant_id, wrapped, made_at, verified"


def add_cek(ring: sqlite3.Connection, cek: Cek) -> None:
    """Stage a CEK: no holder points at it until ``take``."""
    ring.execute(
        f"INSERT INTO cek ({_CEK}) VALUES (?,?,?,?,?,?,?,?,?,?,?)",  # noqa: S608  # a constant
        (
            *(cek.uid, cek.material, cek.operation, cek.origin, str(cek.root_kind), cek.root_arn),
            *(json.dumps(dict(cek.context), sort_keys=True), cek.grant_id, cek.wrapped, cek.made_at, cek.verified),
        ),
    )


def add_holding(ring: sqlite3.Connection, holding: Holding) -> None:
    """Stage a DEK for a holder. ConflictException when the CEK above it is not there any more."""
    if ring.execute("SELECT 1 FROM cek WHERE uid = ?", (holding.cek,)).fetchone() is None:
        raise _overtaken()
    ring.execute(
        "INSERT OR REPLACE INTO holding (holder, cek, dek, wrapped, under) VALUES (?,?,?,?,?)",
        (holding.holder, holding.cek, holding.dek, holding.wrapped, holding.under),
    )


def cek_of(ring: sqlite3.Connection, holder: str) -> Cek | None:
    """The CEK that the holder points at."""
    row = ring.execute(
        f"SELECT {_CEK} FROM cek WHERE uid = (SELECT cek FROM holder WHERE uid = ?)",  # noqa: S608  # a constant
        (holder,),
    ).fetchone()
    return None if row is None else _cek(row)


def cek_at(ring: sqlite3.Connection, uid: str) -> Cek | None:
    """The CEK of that uid, held by anything or staged."""
    row = ring.execute(f"SELECT {_CEK} FROM cek WHERE uid = ?", (uid,)).fetchone()  # noqa: S608  # a constant
    return None if row is None else _cek(row)


def ceks(ring: sqlite3.Connection, root_arn: str | None = None) -> dict[str, Cek]:
    """Every CEK, staged ones too, by uid; or those under that root key."""
    condition, values = ("", ()) if root_arn is None else ("WHERE root_arn = ?", (root_arn,))
    return {row[0]: _cek(row) for row in ring.execute(f"SELECT {_CEK} FROM cek {condition}", values)}  # noqa: S608  # constants


def neighbours(ring: sqlite3.Connection, cek: Cek, limit: int) -> list[Cek]:
    """A few CEKs with another key inside."""
    query = f"SELECT {_CEK} FROM cek WHERE material != ? LIMIT ?"  # noqa: S608  # a constant
    return [_cek(row) for row in ring.execute(query, (cek.material, limit))]


def staged(ring: sqlite3.Connection, operation: str) -> list[Cek]:
    """What that operation staged and no holder took yet."""
    rows = ring.execute(
        f"SELECT {_CEK} FROM cek WHERE staged AND operation = ?",  # noqa: S608  # a constant
        (operation,),
    )
    return [_cek(row) for row in rows]


def staging(ring: sqlite3.Connection) -> dict[str, list[str]]:
    """Uids of the CEKs that no holder points at, by the token of what staged them; none of one that has only a grant on
    an escrow key yet."""
    found: dict[str, list[str]] = {operation: [] for (operation,) in ring.execute("SELECT operation FROM escrow_grant")}
    for operation, uid in ring.execute("SELECT operation, uid FROM cek WHERE staged"):
        found.setdefault(operation, []).append(uid)
    return found


def holdings(ring: sqlite3.Connection, holder: str, cek: str) -> list[Holding]:
    """The holder's DEKs under that CEK, those right under it first."""
    rows = ring.execute(
        "SELECT holder, cek, dek, wrapped, under FROM holding WHERE holder = ? AND cek = ? ORDER BY under IS NOT NULL",
        (holder, cek),
    )
    return [Holding(holder=r[0], cek=r[1], dek=r[2], wrapped=r[3], under=r[4]) for r in rows]


def wrapped_under(ring: sqlite3.Connection, cek: str, dek: str) -> bytes | None:
    """That DEK right under that CEK, as any holder has it; None when none does."""
    row = ring.execute(
        "SELECT wrapped FROM holding WHERE cek = ? AND dek = ? AND under IS NULL LIMIT 1", (cek, dek)
    ).fetchone()
    return None if row is None else bytes(row[0])


def take(ring: sqlite3.Connection, pointers: Mapping[str, str], expected: Mapping[str, str | None]) -> None:
    """Let each holder point at its new CEK and drop what it held under the old: the switch, inside one commit.

    ConflictException, and nothing is switched, unless each still points where it did when its keys were staged
    (``expected``) and every DEK that it holds is held under the new CEK too: no switch ever loses a DEK (I1).
    """
    before = {holder: _pointer(ring, holder) for holder in pointers}
    for holder, cek in pointers.items():
        held, staged_deks = (_deks(ring, holder, one) for one in (before[holder], cek))
        if before[holder] != expected[holder] or not staged_deks or not held <= staged_deks:
            raise _overtaken()
    for holder, cek in pointers.items():
        ring.execute("INSERT OR REPLACE INTO holder (uid, cek) VALUES (?,?)", (holder, cek))
        ring.execute("UPDATE cek SET staged = 0 WHERE uid = ?", (cek,))
        ring.execute(
            """UPDATE cluster_key SET taken = 1
               WHERE (key_id, partition) = (SELECT material, root_arn FROM cek WHERE uid = ?)""",
            (cek,),
        )
        ring.execute("DELETE FROM holding WHERE holder = ? AND cek != ?", (holder, cek))
    drop_unheld(ring, {cek for holder, cek in before.items() if cek is not None and cek != pointers[holder]})


def retake(ring: sqlite3.Connection, pointers: Mapping[str, str], expected: Mapping[str, str | None]) -> None:
    """``take`` for the holders that are still there; what was staged for the others goes."""
    present = {holder: cek for holder, cek in pointers.items() if _pointer(ring, holder) is not None}
    take(ring, present, expected)
    for holder, cek in pointers.items():
        if holder not in present:
            ring.execute("DELETE FROM holding WHERE holder = ? AND cek = ?", (holder, cek))
            drop_unheld(ring, [cek])


def sharing(ring: sqlite3.Connection, cek: str | None) -> set[str]:
    """Whoever points at that CEK."""
    return {uid for (uid,) in ring.execute("SELECT uid FROM holder WHERE cek = ?", (cek,))}


def drop_holder(ring: sqlite3.Connection, holder: str) -> None:
    """The holder is gone: its DEKs go, and its CEK unless another holder points at it.

    What an unfinished change staged for it goes too: nobody will carry that on.
    """
    cek = _pointer(ring, holder)
    ring.execute("DELETE FROM holding WHERE holder = ?", (holder,))
    ring.execute("DELETE FROM holder WHERE uid = ?", (holder,))
    drop_escrow_wraps(ring, holder)
    abandoned = ring.execute(
        "SELECT uid FROM cek WHERE staged AND (origin = ?1 OR operation = 'copy/' || ?1)", (holder,)
    ).fetchall()
    drop_unheld(ring, {row[0] for row in abandoned} | ({cek} if cek is not None else set()))


def drop_holdings(ring: sqlite3.Connection, holder: str, *, keep: str, operation: str) -> None:
    """Forget the holder's DEKs other than ``keep``, unless its CEK is no longer the one that ``operation`` made: then
    a later change decides what it holds, and what that one staged beside is never touched."""
    cek = cek_of(ring, holder)
    if cek is None or cek.operation != operation:
        return
    if any(one.dek == keep and one.under is None for one in holdings(ring, holder, cek.uid)):
        ring.execute("DELETE FROM holding WHERE holder = ? AND cek = ? AND dek != ?", (holder, cek.uid, keep))
        drop_escrow_wraps(ring, holder, keep=keep)


def drop_unheld(ring: sqlite3.Connection, uids: Iterable[str]) -> None:
    """Remove these CEKs as far as no holder points at them, and note grants and keys in partitions that nothing needs
    any more."""
    for uid in uids:
        if ring.execute("SELECT 1 FROM holder WHERE cek = ?", (uid,)).fetchone():
            continue
        row = ring.execute("SELECT grant_id, root_arn, material FROM cek WHERE uid = ?", (uid,)).fetchone()
        held = ring.execute("DELETE FROM holding WHERE cek = ? RETURNING holder, dek", (uid,)).fetchall()
        drop_unheld_wraps(ring, held)
        ring.execute("DELETE FROM cek WHERE uid = ?", (uid,))
        if row is not None:
            _let_go_of_cluster_key(ring, key_id=row[2], partition=row[1])
        if row is not None and row[0] is not None:
            let_go(ring, row[0], row[1])


def unneeded(ring: sqlite3.Connection) -> list[ClusterKey]:
    """Keys in partitions that no CEK is any more, and that are not retired yet. What the row says is not believed while
    a CEK says otherwise: a key that goes from its token is in no backup of ours."""
    rows = ring.execute(
        """SELECT key_id, partition, adopted, taken OR EXISTS (SELECT 1 FROM cek WHERE material = k.key_id)
           FROM cluster_key k
           WHERE let_go AND NOT EXISTS (SELECT 1 FROM cek WHERE material = k.key_id AND root_arn = k.partition)"""
    )
    return [ClusterKey(key_id=row[0], partition=row[1], adopted=bool(row[2]), taken=bool(row[3])) for row in rows]


def is_named(ring: sqlite3.Connection, key_id: str) -> bool:
    """Whether something is under that key, or is about to be."""
    return ring.execute("SELECT 1 FROM cek WHERE material = ? LIMIT 1", (key_id,)).fetchone() is not None


def cluster_key_partitions(ring: sqlite3.Connection, key_id: str) -> set[str]:
    """The partitions that were asked for that key: more than one when the vendor's tools replicated it (HS6)."""
    return {arn for (arn,) in ring.execute("SELECT partition FROM cluster_key WHERE key_id = ?", (key_id,))}


def note_cluster_key(ring: sqlite3.Connection, cek: Cek, *, adopted: bool) -> None:
    """The partition is about to be asked for that key, or asked for one again that was retired there."""
    ring.execute(
        """INSERT INTO cluster_key (key_id, partition, adopted) VALUES (?,?,?)
           ON CONFLICT (key_id, partition) DO UPDATE SET retired_at = NULL, let_go = 0""",
        (cek.material, cek.root_arn, adopted),
    )


def _let_go_of_cluster_key(ring: sqlite3.Connection, *, key_id: str, partition: str) -> None:
    ring.execute(
        """UPDATE cluster_key SET let_go = 1 WHERE key_id = ?1 AND partition = ?2 AND retired_at IS NULL
           AND NOT EXISTS (SELECT 1 FROM cek WHERE material = ?1 AND root_arn = ?2)""",
        (key_id, partition),
    )


def lacks_cek(ring: Store, cluster: str) -> DamagedStore:
    """What a call says that needs the CEK of a cluster, which has none there."""
    return DamagedStore(
        f"The key ring at {ring.path} lacks the cluster key of {cluster}",
        suggestion="The key ring is left as it is. Put back a copy of it from a backup.",
    )


def _deks(ring: sqlite3.Connection, holder: str, cek: str | None) -> set[str]:
    rows = ring.execute("SELECT dek FROM holding WHERE holder = ? AND cek = ?", (holder, cek))
    return {dek for (dek,) in rows}


def _overtaken() -> ConflictException:
    return ConflictException(
        "The keys were changed by another process meanwhile; nothing of this call was switched",
        suggestion="Run the command again.",
    )


def _pointer(ring: sqlite3.Connection, holder: str) -> str | None:
    row = ring.execute("SELECT cek FROM holder WHERE uid = ?", (holder,)).fetchone()
    return None if row is None else str(row[0])


def _cek(row: tuple[str, str, str, str, str, str, str, str | None, bytes, str, int]) -> Cek:
    return Cek(
        uid=row[0],
        material=row[1],
        operation=row[2],
        origin=row[3],
        root_kind=root_kind(row[4]),
        root_arn=row[5],
        context=stored_context(row[6]),
        grant_id=row[7],
        wrapped=row[8],
        made_at=row[9],
        verified=bool(row[10]),
    )
