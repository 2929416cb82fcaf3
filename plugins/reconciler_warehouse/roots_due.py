"""Whether any root key is lost, or any cluster waits for one: asked in one call of the key service, none where nothing
is under a key of it, and with no cryptography of ours (RE8)."""

from __future__ import annotations

from collections.abc import Collection

from reconciler.errors import AccessDeniedException, ReconcilerError
from reconciler.providers.data import RootKind
from reconciler.providers.keys import KeyState
from reconciler_warehouse.site import Site
from reconciler_warehouse.status import INACCESSIBLE


def anything(site: Site) -> bool:
    """Whether there is something to be looked into."""
    with site.catalogue.read() as catalogue:
        if catalogue is None:
            return False
        encrypted = [uid for (uid,) in catalogue.execute("SELECT uid FROM cluster WHERE dek IS NOT NULL")]
        waits = catalogue.execute("SELECT 1 FROM cluster WHERE status = ?", (INACCESSIBLE,)).fetchone()
    if waits is not None or not encrypted:
        return waits is not None
    with site.keyring.read() as ring:
        roots = set()
        if ring is not None:
            roots = {
                arn
                for uid in encrypted
                for (arn,) in ring.execute(
                    """SELECT c.root_arn FROM holder h JOIN cek c ON c.uid = h.cek
                       WHERE h.uid = ? AND c.root_kind != ?""",
                    (uid, str(RootKind.HSM)),
                )
            }
    return bool(suspicious(site, roots))


def suspicious(site: Site, arns: Collection[str]) -> set[str]:
    """Those that are not there, not enabled, or not to be described by the warehouse."""
    if not arns:
        return set()
    try:
        found = site.keys.describe_keys(site.service_caller, sorted(arns))
    except AccessDeniedException:
        return set(arns)  # one of them: each is tried
    except ReconcilerError:
        return set()
    return {arn for arn in arns if arn not in found or found[arn].state is not KeyState.ENABLED}
