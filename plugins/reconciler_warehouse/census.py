"""What each key still opens, from what is durably stored and nothing else; asks no key (I3, G13)."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass

from reconciler.providers.data import KeyUse
from reconciler_warehouse.keyring import ceks
from reconciler_warehouse.names import cluster_arn, copy_grant_arn, snapshot_arn
from reconciler_warehouse.site import Site


def key_uses(site: Site) -> list[KeyUse]:
    """Clusters, snapshots, copies and copy grants under any key, wrapped keys that nothing points at yet or any more,
    and clusters on their way to a key: ordered by key and name."""
    arriving = _arriving(site)
    with site.keyring.read() as ring:
        if ring is None:
            return arriving
        known = ceks(ring)
        holders: dict[str, list[str]] = defaultdict(list)
        for holder, cek in ring.execute("SELECT uid, cek FROM holder"):
            holders[cek].append(holder)
        grants = ring.execute("SELECT name, root_arn FROM copy_grant WHERE root_arn IS NOT NULL").fetchall()
    objects = _objects(site)
    uses = [
        KeyUse(
            key_arn=key_arn, what="snapshot-copy-grant", name=name, arn=copy_grant_arn(site.region, site.account, name)
        )
        for name, key_arn in grants
    ]
    for cek in known.values():
        for holder in holders.get(cek.uid, [""]):
            # A wrapped key that nothing points at (staged, or of an object being made) still is a use.
            one = objects.get(holder) or _Object(what="cluster-key", name=cek.material, arn="")
            uses.append(
                KeyUse(key_arn=cek.root_arn, what=one.what, name=one.name, arn=one.arn, bytes=one.bytes, of=one.of)
            )
    known_uses = {(use.key_arn, use.arn) for use in uses}
    uses += [use for use in arriving if (use.key_arn, use.arn) not in known_uses]
    return sorted(uses, key=lambda use: (use.key_arn, use.what, use.name))


def _arriving(site: Site) -> list[KeyUse]:
    """Clusters whose change to a key was begun and has wrapped nothing under it yet: it is about to."""
    with site.catalogue.read() as catalogue:
        rows = []
        if catalogue is not None:
            rows = catalogue.execute(
                """SELECT c.name, o.facts FROM operation o JOIN cluster c ON c.uid = o.cluster WHERE NOT o.finished"""
            ).fetchall()
    named = [(name, json.loads(facts).get("key")) for name, facts in rows]
    return [
        KeyUse(key_arn=key, what="cluster", name=name, arn=cluster_arn(site.region, site.account, name))
        for name, key in named
        if key
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Object:
    """A cluster or snapshot as the census names it."""

    what: str
    name: str
    arn: str
    bytes: int = 0
    of: str | None = None


def _objects(site: Site) -> dict[str, _Object]:
    """Every holder that the catalogue knows, by uid, finished or not."""
    region, account = site.region, site.account
    with site.catalogue.read() as catalogue:
        if catalogue is None:
            return {}
        clusters = catalogue.execute(
            """SELECT c.uid, c.name, coalesce(sum(s.bytes), 0) FROM cluster c
               LEFT JOIN data_table t ON t.cluster = c.uid LEFT JOIN segment s ON s.data_table = t.uid GROUP BY c.uid"""
        ).fetchall()
        snapshots = catalogue.execute(
            """SELECT n.uid, n.name, n.cluster, coalesce(sum(s.bytes), 0),
                      (SELECT name FROM cluster WHERE uid = n.cluster_uid AND n.source_region IS NULL)
               FROM snapshot n LEFT JOIN snapshot_segment s ON s.snapshot = n.uid GROUP BY n.uid"""
        ).fetchall()
    found = {
        uid: _Object(what="cluster", name=name, arn=cluster_arn(region, account, name), bytes=size)
        for uid, name, size in clusters
    }
    for uid, name, cluster, size, live in snapshots:
        found[uid] = _Object(
            what="snapshot",
            name=name,
            arn=snapshot_arn(region, account, cluster, name),
            bytes=size,
            of=None if live is None else cluster_arn(region, account, live),
        )
    return found
