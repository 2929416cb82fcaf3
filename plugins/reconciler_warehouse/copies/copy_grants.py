"""Snapshot copy grants: leave for this Region to receive copies under a key of its own (SC2).

They stand in the key ring, with the grant that each holds on its key. That grant is made for the caller who makes the
copy grant, and is constrained to contexts that name it.
"""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.access.caller import Caller
from reconciler.errors import AlreadyExistsException, ConflictException, ValidationException
from reconciler.providers.data import Root, RootKind
from reconciler_warehouse.changes.clusters import check_root
from reconciler_warehouse.describe import copying_through
from reconciler_warehouse.grant_rows import let_go
from reconciler_warehouse.keys.roots import Adopted, adopt, owned_key
from reconciler_warehouse.names import COPY_GRANT_PAIR, copy_grant_arn
from reconciler_warehouse.site import Site
from reconciler_warehouse.stored_values import root_kind


def create(site: Site, caller: Caller, name: str, root: Root, token: str) -> None:
    """A copy grant; no-op when the token made it. AlreadyExistsException, ValidationException for a root that is no
    key."""
    if root.kind is RootKind.HSM:
        raise ValidationException(
            f"A snapshot copy grant stands for a key of the key service, and {root.partition} is a partition of an HSM",
            suggestion="Name a key of the Region, or none for the owned one (SC2).",
        )
    with site.keyring.read() as ring:
        row = None
        if ring is not None:
            row = ring.execute("SELECT uid, token, ready FROM copy_grant WHERE name = ?", (name,)).fetchone()
    if row is not None and row[2]:
        if row[1] == token:
            return
        raise AlreadyExistsException(f"A snapshot copy grant {name} exists already in {site.region}")
    check_root(site, caller, root)
    uid = site.uid() if row is None else row[0]
    with site.keyring.write() as ring:
        ring.execute(
            """INSERT OR REPLACE INTO copy_grant (name, uid, token, root_kind, root_arn, ready)
               VALUES (?,?,?,?,?,0)""",
            (name, uid, token, str(root.kind), root.key_arn),
        )
    grant_id, key_arn = None, None
    if root.kind is RootKind.KMS:
        subset = {COPY_GRANT_PAIR: copy_grant_arn(site.region, site.account, name)}
        adopted = adopt(site, caller, root, subset, subset=subset, grant_name=f"copy-grant/{uid}")
        grant_id, key_arn = adopted.grant_id, adopted.key_arn
    with site.keyring.write() as ring:
        ring.execute(
            "UPDATE copy_grant SET grant_id = ?, root_arn = ?, ready = 1 WHERE name = ?", (grant_id, key_arn, name)
        )


def adopted_grant(site: Site, name: str, context: Mapping[str, str]) -> Adopted | None:
    """The root of copies received under that grant; their contexts name it."""
    with site.keyring.read() as ring:
        row = None
        if ring is not None:
            row = ring.execute(
                "SELECT root_kind, root_arn, grant_id FROM copy_grant WHERE name = ? AND ready", (name,)
            ).fetchone()
    if row is None:
        return None
    kind, key_arn, grant_id = root_kind(row[0]), row[1], row[2]
    if kind is RootKind.OWNED:
        return Adopted(kind=kind, key_arn=owned_key(site), context=context)
    named = {**context, COPY_GRANT_PAIR: copy_grant_arn(site.region, site.account, name)}
    return Adopted(kind=kind, key_arn=key_arn, context=named, grant_id=grant_id)


def delete(site: Site, name: str) -> None:
    """Remove the copy grant; no error when it is gone. ConflictException while a cluster copies through it.

    The grant on the key stays for as long as a copy received through it exists.
    """
    users = copying_through(site, [name]).get(name, ())
    if users:
        raise ConflictException(
            f"Snapshot copy grant {name} in {site.region} is in use: {', '.join(users)} copies through it",
            suggestion="Switch copying off there first.",
        )
    with site.keyring.read() as ring:
        if ring is None:
            return
        row = ring.execute("SELECT grant_id, root_arn FROM copy_grant WHERE name = ?", (name,)).fetchone()
    if row is None:
        return
    with site.keyring.write() as ring:
        ring.execute("DELETE FROM copy_grant WHERE name = ?", (name,))
        if row[0] is not None:
            let_go(ring, row[0], row[1])
