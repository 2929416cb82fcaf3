"""Whether any root key is lost, or any cluster waits for one: asked in one call of the key service, none where nothing
is under a key of it, and with no cryptography of ours (RE8)."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass

from reconciler.errors import AccessDeniedException, ReconcilerError
from reconciler.providers.data import RootKind
from reconciler.providers.keys import KeyDescription, KeyState
from reconciler.providers.warehouse import RootKeyState
from reconciler_warehouse.site import Site
from reconciler_warehouse.status import INACCESSIBLE, UNFINISHED


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubtful:
    """A cluster whose root key has to be asked: it waits for it, or the key service does not call it usable."""

    uid: str
    name: str
    status: str
    root_arn: str


def to_look_into(site: Site) -> list[Doubtful]:
    """Clusters under a key of the key service that wait for it, or whose key seems to be lost, by name. One call for
    all keys that are as they should be."""
    known = _under_keys(site)
    doubtful = suspicious(site, {one.root_arn for one in known if one.status != INACCESSIBLE})
    return [one for one in known if one.status == INACCESSIBLE or one.root_arn in doubtful]


def _under_keys(site: Site) -> list[Doubtful]:
    """Clusters that are encrypted under a key of the key service. An HSM that is away is told as an event instead
    (HS7)."""
    with site.catalogue.read() as catalogue:
        if catalogue is None:
            return []
        clusters = catalogue.execute(
            "SELECT uid, name, status FROM cluster WHERE dek IS NOT NULL AND status NOT IN (?, ?) ORDER BY name",
            UNFINISHED,
        ).fetchall()
    if not clusters:
        return []
    with site.keyring.read() as ring:
        roots: dict[str, str] = {}
        if ring is not None:
            rows = ring.execute(
                """SELECT h.uid, c.root_arn FROM holder h JOIN cek c ON c.uid = h.cek
                   WHERE h.uid IN (SELECT value FROM json_each(?)) AND c.root_kind IN (?, ?)""",
                (json.dumps([uid for uid, _, _ in clusters]), str(RootKind.KMS), str(RootKind.OWNED)),
            )
            roots = dict(rows.fetchall())
    return [
        Doubtful(uid=uid, name=name, status=status, root_arn=roots[uid])
        for uid, name, status in clusters
        if uid in roots
    ]


def suspicious(site: Site, arns: Collection[str]) -> set[str]:
    """Those that are not there, not enabled, or not to be described by the warehouse."""
    return {arn for arn, state in told_of(site, arns).items() if state is not RootKeyState.USABLE}


def told_of(site: Site, arns: Collection[str]) -> dict[str, RootKeyState]:
    """What the key service says of each key while none is used: access removed is one that the warehouse may not look
    at. Left out are those of which it says nothing now."""
    if not arns:
        return {}
    try:
        found = site.keys.describe_keys(site.service_caller, sorted(arns))
    except AccessDeniedException:
        if len(arns) == 1:
            return dict.fromkeys(arns, RootKeyState.ACCESS_REMOVED)
        return {arn: state for one in sorted(arns) for arn, state in told_of(site, [one]).items()}
    except ReconcilerError:
        return {}
    return {arn: _state(found.get(arn)) for arn in arns}


def _state(found: KeyDescription | None) -> RootKeyState:
    if found is None:
        return RootKeyState.DESTROYED
    if found.state is KeyState.ENABLED:
        return RootKeyState.USABLE
    pending = found.state in {KeyState.PENDING_DELETION, KeyState.PENDING_REPLICA_DELETION}
    return RootKeyState.PENDING_DELETION if pending else RootKeyState.DISABLED
