"""What drift is shown beside descriptions: grants that are held, key versions, raw bytes. Uses no key, opens nothing,
writes nothing."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from dataclasses import replace
from typing import Final

from reconciler.providers.inspection import SAMPLE_BYTES, HeldGrant, KeyVersion, PlaintextFound, readable
from reconciler_warehouse.keyring import ceks
from reconciler_warehouse.keys.roots import ESCROW_OPERATIONS, OPERATIONS
from reconciler_warehouse.names import COPY_GRANT_PAIR, DEK_PAIR, SERVICE, cluster_arn, copy_grant_arn, snapshot_arn
from reconciler_warehouse.operations import REENCRYPT, ROTATE
from reconciler_warehouse.site import Site
from reconciler_warehouse.status import AVAILABLE, RESIZING
from reconciler_warehouse.stored_values import context as stored_context
from reconciler_warehouse.stored_values import moment

_PARQUET: Final = b"PAR1"


def held_grants(site: Site) -> list[HeldGrant]:
    """See ``HoldsGrants.held_grants``."""
    found: list[HeldGrant] = []
    with site.keyring.read() as ring:
        if ring is None:
            return []
        known = [cek for cek in ceks(ring).values() if cek.grant_id is not None]
        holders: dict[str, list[str]] = defaultdict(list)
        for holder, cek_uid in ring.execute("SELECT uid, cek FROM holder"):
            holders[cek_uid].append(holder)
        copying = ring.execute("SELECT name, root_arn, grant_id FROM copy_grant WHERE grant_id IS NOT NULL").fetchall()
        retiring = ring.execute("SELECT grant_id, key_arn FROM retiring").fetchall()
        escrowed = ring.execute(
            "SELECT DISTINCT holder, key_arn, grant_id, context FROM escrow_wrap WHERE grant_id IS NOT NULL"
        ).fetchall()
    objects = _objects(site)
    for cek in known:
        # A wrapped key that nothing points at is being made: its grant is needed, and is nobody's yet.
        found += [
            _held(cek.grant_id or "", cek.root_arn, *objects.get(holder, ("", "", "")), dict(cek.context))
            for holder in holders.get(cek.uid, [""])
        ]
    for name, key_arn, grant_id in copying:
        arn = copy_grant_arn(site.region, site.account, name)
        found.append(_held(grant_id, key_arn, "snapshot-copy-grant", name, arn, {COPY_GRANT_PAIR: arn}))
    for holder, key_arn, grant_id, context in escrowed:
        subset = {name: value for name, value in stored_context(context).items() if name != DEK_PAIR}
        found.append(
            replace(_held(grant_id, key_arn, *objects.get(holder, ("", "", "")), subset), operations=ESCROW_OPERATIONS)
        )
    found += [_held(grant_id, key_arn, "", "", "", {}) for grant_id, key_arn in retiring]
    return sorted(found, key=lambda one: (one.grant_id, one.what, one.name))


def _held(  # noqa: PLR0917  # one record, filled in one place
    grant_id: str, key_arn: str, what: str, name: str, arn: str, context: dict[str, str]
) -> HeldGrant:
    return HeldGrant(
        grant_id=grant_id,
        key_arn=key_arn,
        what=what,
        name=name,
        arn=arn,
        grantee=SERVICE,
        operations=OPERATIONS,
        context=context,
    )


def _objects(site: Site) -> dict[str, tuple[str, str, str]]:
    """What, name and ARN of every cluster and snapshot, by uid."""
    with site.catalogue.read() as catalogue:
        if catalogue is None:
            return {}
        clusters = catalogue.execute("SELECT uid, name FROM cluster").fetchall()
        snapshots = catalogue.execute("SELECT uid, name, cluster FROM snapshot").fetchall()
    found = {uid: ("cluster", name, cluster_arn(site.region, site.account, name)) for uid, name in clusters}
    for uid, name, cluster in snapshots:
        found[uid] = ("snapshot", name, snapshot_arn(site.region, site.account, cluster, name))
    return found


def key_versions(site: Site) -> list[KeyVersion]:
    """See ``CountsKeyVersions.key_versions``: CEKs of clusters and of their own snapshots, and the key tables of
    clusters under a DEK that is not the cluster's present one. What was restored is under its snapshot's until the
    cluster's keys are made anew."""
    with site.catalogue.read() as catalogue:
        if catalogue is None:
            return []
        clusters = dict(catalogue.execute("SELECT uid, name FROM cluster WHERE dek IS NOT NULL").fetchall())
        snapshots = catalogue.execute(
            "SELECT uid, name, cluster_uid FROM snapshot WHERE source_region IS NULL AND status = ?", (AVAILABLE,)
        ).fetchall()
        behind = catalogue.execute(
            """SELECT c.uid, t.name, coalesce(k.dek, ''), count(*) FROM cluster c
               JOIN data_table t ON t.cluster = c.uid JOIN segment s ON s.data_table = t.uid
               JOIN key_table k ON k.id = s.key_table
               WHERE c.dek IS NOT NULL AND c.status != ? AND k.dek IS NOT c.dek
                   AND (s.identity IS NULL OR EXISTS (SELECT 1 FROM operation o
                        WHERE o.cluster = c.uid AND o.verb IN (?, ?) AND o.finished))
               GROUP BY c.uid, t.name, k.dek""",
            (RESIZING, REENCRYPT, ROTATE),
        ).fetchall()
    with site.keyring.read() as ring:
        known = {} if ring is None else ceks(ring)
        held = {} if ring is None else {uid: known[cek] for uid, cek in ring.execute("SELECT uid, cek FROM holder")}
    arns = {uid: cluster_arn(site.region, site.account, name) for uid, name in clusters.items()}
    named = [(uid, uid, "cluster", name) for uid, name in clusters.items()]
    named += [(uid, owner, "snapshot", name) for uid, name, owner in snapshots if owner in clusters]
    found = [
        KeyVersion(
            owner=arns[owner],
            what=what,
            name=name,
            version=held[uid].material,
            made_at=moment(held[uid].made_at),
        )
        for uid, owner, what, name in named
        if uid in held
    ]
    found += [
        KeyVersion(owner=arns[owner], what="key tables", name=table, version=dek, count=count, is_current=False)
        for owner, table, dek, count in behind
    ]
    return sorted(found, key=lambda one: (one.owner, one.what, one.name))


def plaintext_found(site: Site) -> list[PlaintextFound]:
    """See ``SamplesStorage.plaintext_found``: both ends of every file that is to be sealed, and of files of encrypted
    clusters that nothing refers to any more."""
    with site.catalogue.read() as catalogue:
        owners, plain = ({}, set[str]()) if catalogue is None else _owners_of_sealed(site, catalogue)
    owned = {
        name: owner
        for name in site.segments.names()
        if name not in plain and (owner := owners.get(name) or owners.get(name.partition(".")[0])) is not None
    }
    found = [
        PlaintextFound(arn=owned[name], where=name, why=why)
        for name, ends in site.segments.ends_of(owned, SAMPLE_BYTES)
        if (why := _why(ends)) is not None
    ]
    return sorted(found, key=lambda one: (one.arn, one.where))


def _owners_of_sealed(site: Site, catalogue: sqlite3.Connection) -> tuple[dict[str, str], set[str]]:
    """File → ARN of what it is sealed for, and segment uid → ARN of its encrypted cluster, for files that were
    replaced; then the files that are plain by right."""
    owners: dict[str, str] = {}
    for uid, name in catalogue.execute(
        """SELECT s.uid, c.name FROM segment s JOIN data_table t ON t.uid = s.data_table
           JOIN cluster c ON c.uid = t.cluster WHERE c.dek IS NOT NULL AND c.status != ?""",
        (RESIZING,),
    ):
        owners[uid] = cluster_arn(site.region, site.account, name)
    for file, name, cluster in catalogue.execute(
        """SELECT g.file, n.name, n.cluster FROM snapshot_segment g JOIN snapshot n ON n.uid = g.snapshot
           JOIN key_table k ON k.id = g.key_table WHERE k.dek IS NOT NULL"""
    ):
        owners[file] = snapshot_arn(site.region, site.account, cluster, name)
    for file, name in catalogue.execute(
        """SELECT s.file, c.name FROM segment s JOIN data_table t ON t.uid = s.data_table
           JOIN cluster c ON c.uid = t.cluster JOIN key_table k ON k.id = s.key_table WHERE k.dek IS NOT NULL"""
    ):
        owners[file] = cluster_arn(site.region, site.account, name)
    plain = catalogue.execute(
        """SELECT s.file FROM segment s JOIN key_table k ON k.id = s.key_table
           JOIN data_table t ON t.uid = s.data_table JOIN cluster c ON c.uid = t.cluster
           WHERE k.dek IS NULL AND (c.dek IS NULL OR c.status = ?)
           UNION SELECT g.file FROM snapshot_segment g JOIN key_table k ON k.id = g.key_table WHERE k.dek IS NULL""",
        (RESIZING,),
    )
    return owners, {file for (file,) in plain}


def _why(ends: tuple[bytes, bytes]) -> str | None:
    """What gives a segment's ends away as plaintext; None when nothing does."""
    if ends[0].startswith(_PARQUET) and ends[-1].endswith(_PARQUET):
        return "it begins and ends as a Parquet file does"
    return next((why for end in ends if (why := readable(end)) is not None), None)
