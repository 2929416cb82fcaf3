"""What is done once the last segment has its new form."""

from __future__ import annotations

import sqlite3
from datetime import datetime, timedelta
from typing import Final

from reconciler.errors import ConflictException, InvalidClusterStateFault
from reconciler.providers.data import Progress
from reconciler_warehouse import operations
from reconciler_warehouse.blocks import delete_vectors
from reconciler_warehouse.online import leases
from reconciler_warehouse.online.leases import Target
from reconciler_warehouse.site import Site
from reconciler_warehouse.status import INACCESSIBLE
from reconciler_warehouse.upkeep import pins, trash
from reconciler_warehouse.upkeep.drafts import sweep, sweep_files

PATIENCE: Final = timedelta(minutes=10)
_PAUSE: Final = 0.05  # seconds


def let_others_finish(site: Site, cluster: str, progress: Progress) -> None:
    """Return when no file that was in the trash is left, no draft of the cluster's rows in clear, and nothing of what
    the catalogue held in its log: old plaintext, or what a compromised key opens. Whoever began to read or to write
    before has the time to end (such a draft is refused in its commit, and removed); who was stopped in the middle for
    ten minutes keeps the change from its end: ConflictException, and the next call goes on. HostError when something of
    it lies out of reach (``trash``)."""
    sweep(site)
    trash.require_in_reach(site)
    with site.catalogue.read() as catalogue:
        epoch = 0 if catalogue is None else pins.epoch_now(catalogue)
    until = site.now() + PATIENCE
    if _is_left(site, epoch, cluster):
        progress("waiting for statements that began before and still read or write", None, None)
    while _is_left(site, epoch, cluster):
        _wait(site, until)
        sweep_files(site)
    while True:
        try:
            site.catalogue.forget_the_past()
            return
        except ConflictException:
            _wait(site, until)


def require_reachable(catalogue: sqlite3.Connection, target: Target) -> None:
    """In each commit of a change: InvalidClusterStateFault when the cluster has lost its root key since (RE8).
    The keys in memory would do for the rest; but whoever took the root key away is to see that nothing goes on."""
    row = catalogue.execute("SELECT name, status FROM cluster WHERE uid = ?", (target.cluster,)).fetchone()
    if row is not None and row[1] == INACCESSIBLE:
        raise InvalidClusterStateFault(
            f"Cluster {row[0]} became {INACCESSIBLE} while its encryption was changed; what was moved so far stays",
            suggestion="Give the warehouse the use of the root key again: the next call goes on with what is left.",
        )


def require_moved(catalogue: sqlite3.Connection, target: Target, name: str) -> None:
    """In the commit that says so: nothing of the cluster is in another form. ConflictException, and the next call goes
    on with what is left. InvalidClusterStateFault as above."""
    require_reachable(catalogue, target)
    vectors = delete_vectors.segments_not_under(catalogue, target.cluster, target.dek, 1)
    if vectors or leases.left(catalogue, target)[0]:
        # Written by another process since the last segment was moved: its keys must not go (I1).
        raise ConflictException(
            f"Rows of cluster {name} were written in its old form while its encryption was changed",
            suggestion="Run the command again: it goes on with what is left.",
        )


def end(catalogue: sqlite3.Connection, target: Target) -> None:
    """In the last commit of a change."""
    leases.drop(catalogue, target.operation)
    operations.finish(catalogue, target.operation)


def _is_left(site: Site, epoch: int, cluster: str) -> bool:
    with site.catalogue.read() as catalogue:
        if catalogue is None:
            return False
        drafted = catalogue.execute("SELECT 1 FROM pending WHERE in_clear_for = ? LIMIT 1", (cluster,)).fetchone()
        return drafted is not None or any(since <= epoch for since in trash.unreferenced(catalogue).values())


def _wait(site: Site, until: datetime) -> None:
    if site.now() >= until:
        raise ConflictException(
            "Somebody has been reading or writing for ten minutes what is to go before this change can end",
            suggestion="Run the command again when other statements have ended: it goes on with what is left.",
        )
    site.checkpoint()
    site.clock.sleep(_PAUSE)
