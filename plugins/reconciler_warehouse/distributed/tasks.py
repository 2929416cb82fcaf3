"""What a worker does when it is asked to: take portions by the catalogue's leases and move them.

A task carries ids, and its answer numbers and words: no key, no row, no path. The worker has a warehouse of its own,
built from the same manifests, and opens the keys itself, through its own key service.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from reconciler.errors import ReconcilerError
from reconciler.host.process import Process
from reconciler_warehouse import operations
from reconciler_warehouse.keys.hierarchy import opened
from reconciler_warehouse.online import leases
from reconciler_warehouse.online.leases import Target
from reconciler_warehouse.online.workers import Movement, Portions
from reconciler_warehouse.site import Site

SECONDS: Final = timedelta(seconds=5)  # as long a task takes about: what opening the keys costs is little beside it

# What this process works for: a fact of the process, since a task cannot bring a warehouse along.
_WAREHOUSES: dict[tuple[str, str], Site] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Ids. ``among``: how many share what may be moved in a second. ``machine`` is whose process ids the catalogue
    speaks of."""

    account: str
    region: str
    cluster: str
    operation: str
    dek: str | None
    among: int
    machine: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """``is_over``: nothing is left. ``is_idle``: others have what is left. ``refused``: our error's class, words and
    way out, since an exception would be told in Dask's words."""

    is_over: bool = False
    is_idle: bool = False
    refused: tuple[str, str, str | None] | None = None


def machine() -> str:
    """What process ids of this machine mean."""
    me = Process.current()
    return f"{me.host}|{me.boot_id}"


def work_for(site: Site) -> None:
    """From now on this process has that warehouse."""
    _WAREHOUSES[site.account, site.region] = site


def run(task: Task) -> Answer:
    """Move portions for a while. Nothing is raised."""
    try:
        return _run(task)
    except ReconcilerError as error:
        return Answer(refused=(type(error).__name__, error.summary, error.suggestion))


def _run(task: Task) -> Answer:
    site = _WAREHOUSES.get((task.account, task.region))
    if site is None:
        said = f"A worker works for another warehouse than that of {task.account} in {task.region}"
        return Answer(refused=("HostError", said, "Start workers of a scheduler for one Provider only."))
    if task.machine != machine():
        said = f"A worker runs on another machine than the catalogue at {site.catalogue.path} is used on"
        way_out = "Start workers where the command runs: SQLite's log cannot be shared over a network."
        return Answer(refused=("HostError", said, way_out))
    with site.catalogue.read() as catalogue:
        if catalogue is None or not operations.is_open(catalogue, task.operation):
            return Answer(is_over=True)
    target = Target(operation=task.operation, cluster=task.cluster, dek=task.dek)
    until = site.now() + SECONDS
    with opened(site, task.cluster, f"Cluster {task.cluster}") as deks:
        movement = Movement(site, target, deks, _quiet, among=task.among)
        worker = leases.worker_name(site.random)
        while True:
            found = movement.one_portion(worker)
            if found is not Portions.MOVED or site.now() >= until:
                return Answer(is_over=found is Portions.OVER, is_idle=found is Portions.WITH_OTHERS)


def _quiet(text: str, done: int | None, total: int | None) -> None:
    """The command tells of progress, from the catalogue."""
