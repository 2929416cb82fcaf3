"""Under which key new rows are written, and whether any may be (RE9).

One commit flips it, for every process at once: an encryption and a re-encryption by naming the new DEK, a decryption by
its row in the journal of changes. Whoever wrote for the old mode finds that out in its own commit (``require``) and
writes again. On the current node generation rows are written while their cluster's encryption is changed; on the older
one (dc2) the cluster is read-only for that time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from typing import Final, TypeVar

from reconciler.errors import ConflictException, InvalidClusterStateFault
from reconciler_warehouse import operations
from reconciler_warehouse.keys.hierarchy import OpenDeks
from reconciler_warehouse.keys.mode_changed import ModeChanged, StaleKeys
from reconciler_warehouse.rows import ClusterRow, cluster_at
from reconciler_warehouse.site import Site

MIGRATIONS: Final = (operations.ENCRYPT, operations.DECRYPT, operations.REENCRYPT)
_READ_ONLY_MEANWHILE: Final = "dc2."
_ATTEMPTS: Final = 5
T = TypeVar("T")


def for_writing(site: Site, cluster: ClusterRow, deks: OpenDeks | None = None) -> ClusterRow:
    """The cluster with the DEK of new rows (None: they are plain). ``deks``: its keys, where they are open already, so
    that the key service is not asked once more. InvalidClusterStateFault while it is read-only;
    DamagedStore for a change that was never begun here: nobody has rows written in clear by forging one (I9)."""
    for operation in operations.unfinished(site, cluster.uid):
        if operation.verb in MIGRATIONS:
            operations.check(site, cluster_at(site, cluster.uid), operation, deks)
    with site.catalogue.read() as catalogue:
        if catalogue is None:
            return cluster
        _require_writable(catalogue, cluster.uid)
        return replace(cluster, dek=dek_of_new_rows(catalogue, cluster.uid))


def dek_of_new_rows(catalogue: sqlite3.Connection, cluster: str) -> str | None:
    """The DEK under which segments and delete vectors are made now, None when they are plain."""
    row = catalogue.execute(
        """SELECT CASE WHEN EXISTS (SELECT 1 FROM operation WHERE cluster = ?1 AND verb = ?2 AND NOT finished)
                       THEN NULL ELSE dek END FROM cluster WHERE uid = ?1""",
        (cluster, operations.DECRYPT),
    ).fetchone()
    return None if row is None else row[0]


def require(catalogue: sqlite3.Connection, cluster: str, dek: str | None) -> None:
    """For each commit of new rows, which were written for ``dek``. ModeChanged when that is not the mode any more;
    InvalidClusterStateFault when the cluster is read-only by now."""
    _require_writable(catalogue, cluster)
    if dek_of_new_rows(catalogue, cluster) != dek:
        raise ModeChanged(
            "The cluster was given another key meanwhile; nothing of this call was committed",
            suggestion="Run the command again.",
        )


def repeated(write: Callable[[], T]) -> T:
    """What ``write`` answers: done again, with the keys of now, when they were changed under it. That happens once a
    change."""
    for _ in range(_ATTEMPTS - 1):
        try:
            return write()
        except (ModeChanged, StaleKeys):
            continue
    return write()


def require_no_change(catalogue: sqlite3.Connection, cluster: str, what: str) -> None:
    """InvalidClusterStateFault while the cluster's encryption is being changed: ``what`` has to wait (RE9)."""
    verb = _under_way(catalogue, cluster)
    if verb is not None:
        raise InvalidClusterStateFault(
            f"{what} while the encryption of the cluster is changed ({verb})",
            suggestion="Let the change come to its end first: the next `reconciler apply` goes on with it.",
        )


def _require_writable(catalogue: sqlite3.Connection, cluster: str) -> None:
    row = catalogue.execute("SELECT name, node_type FROM cluster WHERE uid = ?", (cluster,)).fetchone()
    if row is None:
        raise ConflictException(
            "The cluster is gone meanwhile; nothing of this call was committed",
            suggestion="Somebody deleted it: `reconciler plan` says what is to be made anew.",
        )
    verb = _under_way(catalogue, cluster) if str(row[1]).startswith(_READ_ONLY_MEANWHILE) else None
    if verb is not None:
        raise InvalidClusterStateFault(
            f"Cluster {row[0]} is read-only while its encryption is changed ({verb}): its nodes are {row[1]} (RE9)",
            suggestion="Ask it what you want to know; change rows when it is available again.",
        )


def _under_way(catalogue: sqlite3.Connection, cluster: str) -> str | None:
    rows = catalogue.execute("SELECT verb FROM operation WHERE cluster = ? AND NOT finished", (cluster,))
    return next((str(verb) for (verb,) in rows if verb in MIGRATIONS), None)
