"""What each key still opens, from what is durably stored and nothing else; asks no key (I3, G13)."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from reconciler.providers.data import ANY_KEY, KeyUse
from reconciler_warehouse.escrow_rows import escrow_key
from reconciler_warehouse.keyring import Cek, cek_of, ceks
from reconciler_warehouse.names import cluster_arn, copy_grant_arn, snapshot_arn
from reconciler_warehouse.site import Site
from reconciler_warehouse.status import CREATING
from reconciler_warehouse.stored_values import mapping, moment

AUTOMATED: Final = "automated"
_AMONG: Final = "IN (SELECT value FROM json_each(?))"


def key_uses(site: Site, key_arn: str | None = None) -> list[KeyUse]:
    """Clusters, snapshots, copies and copy grants under any key, or under that one; wrapped keys that nothing points at
    yet or any more; clusters on their way to a key; and what is sealed with keys that are lost, which may be under any
    key. Ordered by key and name."""
    arriving = _arriving(site, key_arn)
    with site.keyring.read() as ring:
        known = {} if ring is None else ceks(ring, key_arn)
        holders = {} if ring is None else _holders(ring, None if key_arn is None else known)
        grants = [] if ring is None else _copy_grants(ring, key_arn)
        escrowed = [] if ring is None else _escrowed(ring, key_arn)
    held = [holder for each in holders.values() for holder in each]
    among = None if key_arn is None else [*held, *(holder for _, holder, _ in escrowed)]
    objects = _objects(site, among)
    with site.keyring.read() as ring:
        openers = {} if ring is None else {holder: escrow_key(ring, holder) for holder in held}
        behind = set() if ring is None else {uid for uid, one in objects.items() if _is_left_behind(ring, uid, one)}
    uses = [
        KeyUse(
            key_arn=arn,
            what="snapshot-copy-grant",
            name=name,
            arn=copy_grant_arn(site.region, site.account, name),
            grant_id=grant,
        )
        for name, arn, grant in grants
    ]
    for cek in known.values():
        # A wrapped key that nothing points at (staged, or of an object being made) still is a use.
        for holder in holders.get(cek.uid, [""]):
            use = _use(cek, objects.get(holder), openers.get(holder))
            uses.append(replace(use, of=None) if holder in behind else use)
    uses += _under_escrow(site, escrowed, objects)
    known_uses = {(use.key_arn, use.arn) for use in uses}
    uses += [use for use in arriving if (use.key_arn, use.arn) not in known_uses]
    return sorted([*uses, *_lost(site, afresh=key_arn is None)], key=lambda use: (use.key_arn, use.what, use.name))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Object:
    """A cluster or snapshot as the census names it."""

    what: str
    name: str
    arn: str
    bytes: int = 0
    of: str | None = None
    automated: bool = False
    source_region: str | None = None
    expires_at: datetime | None = None
    cluster: str = ""
    cluster_uid: str = ""

    def under(self, key_arn: str, grant_id: str | None = None, escrow_arn: str | None = None) -> KeyUse:
        """It, as a use of that key."""
        return KeyUse(
            key_arn=key_arn,
            what=self.what,
            name=self.name,
            arn=self.arn,
            bytes=self.bytes,
            of=self.of,
            automated=self.automated,
            source_region=self.source_region,
            expires_at=self.expires_at,
            grant_id=grant_id,
            escrow_arn=escrow_arn,
        )


def _use(cek: Cek, found: _Object | None, escrow: str | None) -> KeyUse:
    one = found or _Object(what="cluster-key", name=cek.material, arn="")
    return one.under(cek.root_arn, cek.grant_id, escrow)


def _escrowed(ring: sqlite3.Connection, key_arn: str | None) -> list[tuple[str, str, str | None]]:
    """Escrow key, holder and grant of everything that is under any escrow key, or under that one (RE14)."""
    condition, values = ("", ()) if key_arn is None else ("WHERE key_arn = ?", (key_arn,))
    return ring.execute(
        f"SELECT DISTINCT key_arn, holder, grant_id FROM escrow_wrap {condition}",  # noqa: S608  # a constant
        values,
    ).fetchall()


def _under_escrow(
    site: Site, escrowed: list[tuple[str, str, str | None]], objects: Mapping[str, _Object]
) -> Iterator[KeyUse]:
    """One use for each escrow key and cluster. The bytes are those of the largest that it opens: a cluster and its
    snapshots share most of theirs."""
    found: dict[tuple[str, str], KeyUse] = {}
    for key_arn, holder, grant_id in escrowed:
        one = objects.get(holder)
        cluster = "" if one is None else one.cluster
        before = found.get((key_arn, cluster))
        found[key_arn, cluster] = KeyUse(
            key_arn=key_arn,
            what="escrow",
            name=cluster,
            arn=cluster_arn(site.region, site.account, cluster) if cluster else "",
            bytes=max(0 if one is None else one.bytes, 0 if before is None else before.bytes),
            grant_id=grant_id,
        )
    yield from found.values()


def _is_left_behind(ring: sqlite3.Connection, uid: str, one: _Object) -> bool:
    """Whether it is a snapshot whose cluster went to another root without it: it needs its own as long as it is
    there."""
    if one.of is None:
        return False
    mine, of = cek_of(ring, uid), cek_of(ring, one.cluster_uid)
    return mine is not None and of is not None and mine.root_arn != of.root_arn


def _holders(ring: sqlite3.Connection, among: Collection[str] | None) -> dict[str, list[str]]:
    """Uids of the holders of each CEK, or of these CEKs."""
    found: dict[str, list[str]] = defaultdict(list)
    condition, values = ("", ()) if among is None else (f"WHERE cek {_AMONG}", (json.dumps(list(among)),))
    for holder, cek in ring.execute(f"SELECT uid, cek FROM holder {condition}", values):  # noqa: S608  # a constant
        found[cek].append(holder)
    return found


def _copy_grants(ring: sqlite3.Connection, key_arn: str | None) -> list[tuple[str, str, str | None]]:
    condition, values = ("IS NOT NULL", ()) if key_arn is None else ("= ?", (key_arn,))
    return ring.execute(
        f"SELECT name, root_arn, grant_id FROM copy_grant WHERE root_arn {condition}",  # noqa: S608  # a constant
        values,
    ).fetchall()


def _arriving(site: Site, key_arn: str | None) -> list[KeyUse]:
    """Clusters whose change to a key was begun and has wrapped nothing under it yet: it is about to."""
    with site.catalogue.read() as catalogue:
        rows = []
        if catalogue is not None:
            rows = catalogue.execute(
                """SELECT c.name, o.facts FROM operation o JOIN cluster c ON c.uid = o.cluster WHERE NOT o.finished"""
            ).fetchall()
    named = [(name, mapping(facts).get("key")) for name, facts in rows]
    return [
        KeyUse(key_arn=key, what="cluster", name=name, arn=cluster_arn(site.region, site.account, name))
        for name, key in named
        if key and key_arn in (None, key)
    ]


def _lost(site: Site, *, afresh: bool) -> list[KeyUse]:
    """What is sealed, and whose keys are not in the key ring: they may come back in a copy of it, whatever key they
    name. Not ``afresh``: of those that the last look found, so that asking for each of many keys is not each time a
    look at everything."""
    if afresh or site.keyless is None:
        site.keyless = _sealed(site)
    if not site.keyless:
        return []
    with site.keyring.read() as ring:
        held = set() if ring is None else {uid for uid in site.keyless if cek_of(ring, uid) is not None}
    site.keyless = frozenset(site.keyless - held)
    # Read anew: what was deleted between the two looks is not lost.
    lost = _objects(site, site.keyless) if site.keyless else {}
    return [one.under(ANY_KEY) for one in lost.values()]


def _sealed(site: Site) -> frozenset[str]:
    """What is encrypted and has no keys here; not a copy that is on its way, for its keys may not have come yet."""
    with site.catalogue.read() as catalogue:
        if catalogue is None:
            return frozenset()
        sealed = catalogue.execute(
            """SELECT uid FROM cluster WHERE dek IS NOT NULL
               UNION SELECT uid FROM snapshot WHERE dek IS NOT NULL AND status != ?""",
            (CREATING,),
        ).fetchall()
    with site.keyring.read() as ring:
        held = set() if ring is None else {uid for (uid,) in ring.execute("SELECT uid FROM holder")}
    return frozenset(uid for (uid,) in sealed if uid not in held)


def _objects(site: Site, among: Iterable[str] | None) -> dict[str, _Object]:
    """Every holder that the catalogue knows, finished or not, or those of these uids, by uid."""
    region, account = site.region, site.account
    narrowed = None if among is None else json.dumps(list(among))
    condition = "" if narrowed is None else _AMONG
    values = () if narrowed is None else (narrowed,)
    with site.catalogue.read() as catalogue:
        if catalogue is None:
            return {}
        clusters = catalogue.execute(
            f"""SELECT c.uid, c.name, coalesce(sum(s.bytes), 0) FROM cluster c
               LEFT JOIN data_table t ON t.cluster = c.uid LEFT JOIN segment s ON s.data_table = t.uid
               {condition and f"WHERE c.uid {condition}"} GROUP BY c.uid""",  # noqa: S608  # constants
            values,
        ).fetchall()
        snapshots = catalogue.execute(
            f"""SELECT n.uid, n.name, n.cluster, n.kind, n.source_region, n.expires_at, n.bytes,
                      (SELECT name FROM cluster WHERE uid = n.cluster_uid AND n.source_region IS NULL), n.cluster_uid
               FROM snapshot n {condition and f"WHERE n.uid {condition}"}""",  # noqa: S608  # constants
            values,
        ).fetchall()
    found = {
        uid: _Object(what="cluster", name=name, arn=cluster_arn(region, account, name), bytes=size, cluster=name)
        for uid, name, size in clusters
    }
    for uid, name, cluster, kind, source, expires, size, live, cluster_uid in snapshots:
        found[uid] = _Object(
            what="snapshot",
            name=name,
            arn=snapshot_arn(region, account, cluster, name),
            bytes=size,
            of=None if live is None else cluster_arn(region, account, live),
            automated=kind == AUTOMATED,
            source_region=source,
            expires_at=None if expires is None else moment(expires),
            cluster=live or cluster,
            cluster_uid=cluster_uid,
        )
    return found
