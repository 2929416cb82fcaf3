"""What the warehouse asks of keys: of those that its objects are under, and of those that they are to be put under."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Final

from reconciler.access.request import GrantTerms
from reconciler.providers.data import RootKind
from reconciler.providers.key_access import Dependent, KeyAccess
from reconciler_warehouse.keyring import cek_of
from reconciler_warehouse.keys.roots import ESCROW_OPERATIONS, OPERATIONS
from reconciler_warehouse.names import (
    COPY_GRANT_PAIR,
    SERVICE,
    cluster_arn,
    cluster_context,
    copy_grant_arn,
    escrow_context,
    snapshot_arn,
)
from reconciler_warehouse.rows import cluster_where
from reconciler_warehouse.site import Site
from reconciler_warehouse.stored_values import context as stored_context

_OPENS: Final = ("Decrypt",)
_ROTATES: Final = ("Decrypt", "GenerateDataKey")
_FOLLOWS: Final = ("Decrypt", "GenerateDataKey", "ReEncryptFrom")  # a snapshot whose cluster is there goes with it


def dependents(site: Site, key_arn: str) -> list[Dependent]:
    """See ``StatesKeyAccess.list_dependents``."""
    with site.keyring.read() as ring:
        if ring is None:
            return []
        held = ring.execute(
            """SELECT h.uid, c.uid, c.context, c.root_kind FROM cek c LEFT JOIN holder h ON h.cek = c.uid
               WHERE c.root_arn = ?""",
            (key_arn,),
        ).fetchall()
        grants = [name for (name,) in ring.execute("SELECT name FROM copy_grant WHERE root_arn = ?", (key_arn,))]
        escrowed = ring.execute("SELECT holder, context FROM escrow_wrap WHERE key_arn = ?", (key_arn,)).fetchall()
    known = dict(_objects(site, [uid for uid, *_ in [*held, *escrowed] if uid is not None]))
    found = [_of_copy_grant(site, name) for name in grants]
    for uid, context in escrowed:
        _, name, arn, of = known.get(uid, ("", uid, "", None))
        opens = (_itself("Decrypt", stored_context(context)),)
        found.append(Dependent(what="escrow", name=name, arn=arn, of=of, accesses=opens))
    for uid, cek, context, kind in held:
        what, name, arn, of = known.get(uid, ("cluster-key", cek, "", None))
        if kind == RootKind.HSM:
            found.append(Dependent(what=what, name=name, arn=arn, of=of, accesses=()))  # no policy stands in between
            continue
        asks = _OPENS if what == "cluster-key" else _ROTATES if what == "cluster" else _FOLLOWS if of else _OPENS
        accesses = tuple(_itself(operation, stored_context(context)) for operation in asks)
        found.append(Dependent(what=what, name=name, arn=arn, of=of, accesses=accesses))
    return sorted(found, key=lambda one: (one.what, one.name))


def adopting(site: Site, what: str, name: str) -> list[KeyAccess]:
    """See ``StatesKeyAccess.list_accesses_to_adopt``."""
    if what == "snapshot-copy-grant":
        context = {COPY_GRANT_PAIR: copy_grant_arn(site.region, site.account, name)}
        return [*_granted(context), *_working(context)]
    with site.catalogue.read() as catalogue:
        cluster = None if catalogue is None else cluster_where(catalogue, "name = ?", name)
    if what == "escrow":
        context = escrow_context(site.region, "" if cluster is None else cluster.uid)
        return [*_granted(context, ESCROW_OPERATIONS), _itself("Encrypt", context), _itself("Decrypt", context)]
    context = cluster_context(site.region, site.account, name, site.now() if cluster is None else cluster.created_at)
    asked = [*_granted(context), *_working(context)]
    if cluster is not None and cluster.dek is not None:
        asked.append(_itself("Encrypt", context))  # the canary of a switch
        if _has_snapshots_to_re_encrypt(site, cluster.uid):
            asked.append(_itself("ReEncryptTo", context))
    return asked


def _granted(context: Mapping[str, str], operations: tuple[str, ...] = OPERATIONS) -> list[KeyAccess]:
    terms = GrantTerms(
        grantee_principal=SERVICE, operations=operations, retiring_principal=SERVICE, context_subset=context
    )
    return [
        KeyAccess(operation="DescribeKey", via=SERVICE),
        KeyAccess(operation="CreateGrant", via=SERVICE, context=context, grant=terms),
    ]


def _working(context: Mapping[str, str]) -> list[KeyAccess]:
    return [_itself("GenerateDataKey", context), _itself("Decrypt", context)]


def _itself(operation: str, context: Mapping[str, str]) -> KeyAccess:
    return KeyAccess(operation=operation, principal=SERVICE, context=context)


def _of_copy_grant(site: Site, name: str) -> Dependent:
    arn = copy_grant_arn(site.region, site.account, name)
    return Dependent(what="snapshot-copy-grant", name=name, arn=arn, accesses=tuple(_working({COPY_GRANT_PAIR: arn})))


def _objects(site: Site, uids: list[str]) -> Iterator[tuple[str, tuple[str, str, str, str | None]]]:
    """What, name, ARN and living cluster of these holders, by uid."""
    region, account, wanted = site.region, site.account, (json.dumps(uids),)
    with site.catalogue.read() as catalogue:
        if catalogue is None:
            return
        clusters = catalogue.execute(
            "SELECT uid, name FROM cluster WHERE uid IN (SELECT value FROM json_each(?))", wanted
        ).fetchall()
        snapshots = catalogue.execute(
            """SELECT n.uid, n.name, n.cluster, c.name FROM snapshot n
               LEFT JOIN cluster c ON c.uid = n.cluster_uid AND n.source_region IS NULL
               WHERE n.uid IN (SELECT value FROM json_each(?))""",
            wanted,
        ).fetchall()
    for uid, name in clusters:
        yield uid, ("cluster", name, cluster_arn(region, account, name), None)
    for uid, name, cluster, live in snapshots:
        of = None if live is None else cluster_arn(region, account, live)
        yield uid, ("snapshot", name, snapshot_arn(region, account, cluster, name), of)


def _has_snapshots_to_re_encrypt(site: Site, cluster: str) -> bool:
    """Those under a key of the key service: what comes from an HSM goes under the cluster's new key."""
    with site.catalogue.read() as catalogue:
        if catalogue is None:
            return False
        rows = catalogue.execute(
            "SELECT uid FROM snapshot WHERE cluster_uid = ? AND dek IS NOT NULL AND source_region IS NULL", (cluster,)
        ).fetchall()
    with site.keyring.read() as ring:
        held = [] if ring is None else [cek_of(ring, uid) for (uid,) in rows]
    return any(cek is not None and cek.root_kind is not RootKind.HSM for cek in held)
