"""The order of things in each changing call: one at a time per cluster, leftovers swept, half-done changes finished."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from reconciler.access.caller import Caller
from reconciler.errors import ConflictException, HsmError, ServiceError, ThrottlingException
from reconciler.host.sqlite import translated
from reconciler.providers.data import Progress
from reconciler_warehouse import operations
from reconciler_warehouse.changes import migration, reencrypt, renaming, rotation, switching
from reconciler_warehouse.keys.hierarchy import confirm_keys, opened
from reconciler_warehouse.lost_roots import escrow, inaccessible
from reconciler_warehouse.online import mode
from reconciler_warehouse.operations import Operation
from reconciler_warehouse.rows import ClusterRow, cluster_at, cluster_named
from reconciler_warehouse.site import Site
from reconciler_warehouse.upkeep.drafts import sweep


class Order:
    """What goes before and after the work of a call."""

    def __init__(self, site: Site) -> None:
        self._site = site

    @contextmanager
    def swept(self, what: str) -> Iterator[None]:
        """Alone with ``what``; leftovers of earlier calls go before, those of this one after. What the disk refuses
        comes out as HostError."""
        with self._site.alone(what), translated(self._site.folder, "warehouse"), one_of_two():
            sweep(self._site)
            yield
            sweep(self._site)

    @contextmanager
    def whole(self, caller: Caller, name: str, progress: Progress, *, token: str | None = None) -> Iterator[ClusterRow]:
        """The cluster, with every change finished that an earlier call began, its own of the same ``token`` too. One
        of another token that its key refuses, and that has changed nothing yet, is given up instead."""
        with self.swept(name), inaccessible.noticing(self._site, name):
            uid = cluster_named(self._site, name).uid
            for operation in operations.unfinished(self._site, uid):
                cluster = cluster_at(self._site, uid)
                operations.check(self._site, cluster, operation)
                try:
                    self.carry_out(caller, operation, progress, cluster)
                except ThrottlingException:
                    raise
                except (ServiceError, HsmError):
                    if operation.token == token or not operations.give_up(self._site, operation):
                        raise
                sweep(self._site)
            confirm_keys(self._site, uid, f"Cluster {name}")
            yield cluster_at(self._site, uid)

    @contextmanager
    def writing(self, caller: Caller, name: str, progress: Progress) -> Iterator[None]:
        """For calls that change rows. Changes of the cluster that an earlier call began are finished first, but for one
        of its encryption: that goes on meanwhile, here or elsewhere (RE9), and ``mode`` says what is written."""
        with self.swept(f"rows of {name}"), inaccessible.noticing(self._site, name):
            cluster = cluster_named(self._site, name)
            for operation in operations.unfinished(self._site, cluster.uid):
                if operation.verb not in mode.MIGRATIONS:
                    with self.whole(caller, name, progress):
                        pass
                elif cluster.dek is None:
                    self._give_up_if_refused(cluster, operation)
            confirm_keys(self._site, cluster.uid, f"Cluster {name}")
            yield

    def _give_up_if_refused(self, cluster: ClusterRow, operation: Operation) -> None:
        """An encryption that has made keys, and no row under them yet, is given up when they do not open any more: rows
        are plain still, and nobody has to wait for a key that nothing is under."""
        try:
            with opened(self._site, cluster.uid, f"Cluster {cluster.name}"):
                return
        except ThrottlingException:
            raise
        except (ServiceError, HsmError):
            if not operations.give_up(self._site, operation):
                raise
        sweep(self._site)

    def carry_out(self, caller: Caller, operation: Operation, progress: Progress, cluster: ClusterRow) -> None:
        """Do the change, from wherever it was left."""
        site = self._site
        runs: dict[str, Callable[[], None]] = {
            rotation.VERB: lambda: rotation.run(site, cluster, operation, progress),
            switching.VERB: lambda: switching.run(site, caller, cluster, operation, progress),
            migration.ENCRYPT: lambda: migration.encrypt(site, caller, cluster, operation, progress),
            migration.DECRYPT: lambda: migration.decrypt(site, cluster, operation, progress),
            reencrypt.VERB: lambda: reencrypt.run(site, cluster, operation, progress),
            renaming.VERB: lambda: renaming.run(site, caller, cluster, operation),
            escrow.VERB: lambda: escrow.run(site, caller, cluster, operation),
        }
        runs[operation.verb]()


@contextmanager
def one_of_two() -> Iterator[None]:
    """A name, token or file that another process wrote at the same moment is refused by the store's own constraints."""
    try:
        yield
    except sqlite3.IntegrityError:
        raise ConflictException(
            "Another process made the same change at the same time; nothing of this step was committed",
            suggestion="Run the command again.",
        ) from None


def quiet(text: str, done: int | None, total: int | None) -> None:
    """Progress that nobody asked for."""
