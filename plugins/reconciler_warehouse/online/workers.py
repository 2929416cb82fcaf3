"""The workers of one process: each takes a portion, moves it, swaps it in, until nothing is left (RE9).

Any number of processes may do this for one change at the same time, and any of them may die at any point: what is left
to do is what the catalogue shows, and who does what stands in its leases.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime, timedelta
from enum import Enum
from typing import Final

from reconciler.errors import ReconcilerError
from reconciler.host.priority import step_aside
from reconciler.providers.data import Progress
from reconciler_warehouse import events, operations
from reconciler_warehouse.changes import resealing_vectors
from reconciler_warehouse.keys.hierarchy import OpenDeks
from reconciler_warehouse.online import course, ending, leases, moving
from reconciler_warehouse.online.leases import LEASE, START, Portion, Target
from reconciler_warehouse.online.throttle import Throttle
from reconciler_warehouse.site import Site
from reconciler_warehouse.upkeep.drafts import Drafts, drafts, empty_trash

MOST: Final = 16  # segments of one commit
MOST_BYTES: Final = 64 << 20  # beside the first: what is lost when a worker is killed
_WAIT: Final = 0.02  # seconds until it is looked again whether others are done; twice as long each time
_LONGEST_WAIT: Final = 2.0
_LOOKS_UP: Final = 1.0  # seconds after which it is told, within a portion, how far it is, and a stop is noticed
_RENEW: Final = LEASE / 4
_EMPTY: Final = timedelta(seconds=1)


class Portions(Enum):
    """What there was to be done: a portion, which was; nothing that others do not have; nothing any more."""

    MOVED = "moved"
    WITH_OTHERS = "with-others"
    OVER = "over"


class _Over(Exception):  # not an error: a reason to leave a segment as it is
    """Another thread ended the work."""


class Movement:
    """One process's part in giving all of a cluster's segments their new form."""

    def __init__(self, site: Site, target: Target, deks: OpenDeks, progress: Progress, *, among: int = 1) -> None:
        """``among``: as many processes share what may be moved in a second."""
        self._site = site
        self._target = target
        self._deks = deks
        self._progress = progress
        rate = site.pace.bytes_per_second
        self._throttle = Throttle(site.clock, None if rate is None else max(1, rate // among))
        self._lock = threading.Lock()
        self._after = START
        self._is_over = threading.Event()
        self._failures: list[BaseException] = []
        self._emptied: datetime | None = None
        self._sealed: dict[str, int] = {}  # bytes of each worker's portion that are in their new form, and not in yet
        self._told = 0

    def run(self, workers: int) -> None:
        """Move segments, in ``workers`` threads, until all of them have their new form or the change is over.
        DamagedStore, HostError; StopRequested at a checkpoint."""
        others = [threading.Thread(target=self._beside, name=f"mover-{number}") for number in range(1, workers)]
        for one in others:
            one.start()
        try:
            # Also what this thread is called for is done by one that steps aside: this one can never come back to the
            # front, and has other things to do when the change is over.
            with ThreadPoolExecutor(1, "mover", step_aside) as mover:
                try:
                    self._work(lambda worker: self._awaited(mover.submit(self.one_portion, worker)), self.between)
                except BaseException:
                    self._is_over.set()  # before the mover is waited for
                    raise
        finally:
            self._is_over.set()
            for one in others:
                one.join()
        if self._failures:
            raise self._failures[0]

    def _awaited(self, portion: Future[Portions]) -> Portions:
        """What became of the portion; a stop that is asked for meanwhile does not wait for a large segment."""
        while True:
            try:
                return portion.result(timeout=_LOOKS_UP)
            except TimeoutError:
                if portion.done():
                    raise  # its own
                self._tell()
                self._site.checkpoint()

    def _beside(self) -> None:
        step_aside()
        try:
            self._work(self.one_portion, lambda: None)
        except BaseException as error:  # told by the thread that was called
            self._failures.append(error)
            self._is_over.set()

    def _work(self, one_portion: Callable[[str], Portions], between: Callable[[], None]) -> None:
        worker = leases.worker_name(self._site.random)
        wait = _WAIT
        try:
            while not self._is_over.is_set() and (found := one_portion(worker)) is not Portions.OVER:
                if found is Portions.WITH_OTHERS:
                    self._site.clock.sleep(wait)
                    wait = min(2 * wait, _LONGEST_WAIT)
                else:
                    wait = _WAIT
                between()
        except _Over:
            pass
        finally:
            with suppress(ReconcilerError), self._site.catalogue.write() as catalogue:
                leases.release(catalogue, worker)

    def one_portion(self, worker: str) -> Portions:
        """Take one and move it. DamagedStore, HostError; its leases run out then."""
        with drafts(self._site) as made:
            portion = self._take(worker, made)
            if portion is None:
                return Portions.OVER
            if not portion.segments:
                return Portions.WITH_OTHERS
            self._move(worker, portion, made)
            return Portions.MOVED

    def _take(self, worker: str, made: Drafts) -> Portion | None:
        """The next portion, its new files noted; an empty one while others have all that is left; None when nothing
        is, or the change was ended elsewhere."""
        portion = self._take_behind(worker, made)
        if portion is None or portion.segments:
            return portion
        # Looking through all of them is for when nothing is left behind the last one, and keeps nobody from writing.
        with self._site.catalogue.read() as catalogue:
            count = 0 if catalogue is None else leases.left(catalogue, self._target)[0]
            is_free = catalogue is not None and leases.is_any_free(catalogue, self._target, self._site.now())
        if not count:
            return None
        return self._take_behind(worker, made) if is_free else portion

    def _take_behind(self, worker: str, made: Drafts) -> Portion | None:
        """A portion from where the last one ended; the next search begins at the start when there is nothing."""
        with self._site.catalogue.write() as catalogue:
            if not operations.is_open(catalogue, self._target.operation):
                return None
            ending.require_reachable(catalogue, self._target)
            now = self._site.now()
            with self._lock:
                portion = leases.take(
                    catalogue, self._target, worker, now, self._after, most=MOST, most_bytes=MOST_BYTES
                )
                self._after = portion.last
            made.note(
                catalogue,
                [moving.file_of(*one) for one in portion.segments if not self._site.segments.is_inline(one[0].file)],
                in_clear_for=self._target.cluster if self._target.dek is None else None,
            )
        return portion

    def _move(self, worker: str, portion: Portion, made: Drafts) -> None:
        site, began = self._site, self._site.now()
        pace = _Pace(self, worker, site.now)
        moved = [
            one
            for segment, generation in portion.segments
            if (one := moving.move(site, self._target, self._deks, segment, generation, made, pace)) is not None
        ]
        with site.catalogue.write() as catalogue:
            if operations.is_open(catalogue, self._target.operation):
                ending.require_reachable(catalogue, self._target)
                swapped = moving.swap(catalogue, site, self._target, self._deks, moved, made)
                busy = max(0.0, (site.now() - began).total_seconds() - pace.waited)
                size = sum(one.segment.bytes for one in swapped)
                course.add(catalogue, self._target.operation, len(swapped), size, busy)
            leases.release(catalogue, worker)
        self._sealed[worker] = 0
        made.done()

    def before_a_block(self, worker: str, count: int) -> float:
        """A block of so many bytes is sealed and about to be written: wait if it has to; for how many seconds."""
        if self._is_over.is_set():
            raise _Over
        self._sealed[worker] = self._sealed.get(worker, 0) + count  # in memory: a commit for each block is too dear
        return self._throttle.spend(count)

    def renew(self, worker: str, now: datetime) -> None:
        """Say that the worker lives."""
        with self._site.catalogue.write() as catalogue:
            leases.renew(catalogue, worker, now)

    def between(self) -> None:
        """What the thread that was called does after each portion."""
        self._tell()
        if self._emptied is None or self._site.now() - self._emptied >= _EMPTY:
            empty_trash(self._site)
            self._emptied = self._site.now()
        self._site.checkpoint()

    def _tell(self) -> None:
        """How far the change is: what was committed, by whomever, and what this process has sealed since. Never less
        than before, though a portion is counted anew when another one was quicker."""
        with self._site.catalogue.read() as catalogue:
            found = None if catalogue is None else course.done(catalogue, self._target.operation)
        if found is not None:
            done, total = found
            self._told = max(self._told, min(done + sum(tuple(self._sealed.values())), total))
            self._progress("bytes written again", self._told, total)


class _Pace:
    """What one worker does before each block of a portion. ``waited``: seconds that it was not busy in."""

    def __init__(self, movement: Movement, worker: str, now: Callable[[], datetime]) -> None:
        self._movement = movement
        self._worker = worker
        self._now = now
        self._renewed = now()
        self.waited = 0.0

    def __call__(self, count: int) -> None:
        self.waited += self._movement.before_a_block(self._worker, count)
        now = self._now()
        if now - self._renewed >= _RENEW:
            self._renewed = now
            self._movement.renew(self._worker, now)


def move_all(site: Site, target: Target, deks: OpenDeks, progress: Progress) -> None:
    """Give every segment of the cluster its new form, and every delete vector; goes on where others left off."""
    with site.catalogue.write() as catalogue:
        if not operations.is_open(catalogue, target.operation):
            return
        row = catalogue.execute("SELECT name, nodes FROM cluster WHERE uid = ?", (target.cluster,)).fetchone()
        left = leases.left(catalogue, target)
        if course.begin(catalogue, target.operation, target.cluster, site.now(), left):
            segments = f"{left[0]} segment{'' if left[0] == 1 else 's'}"
            said = f"{left[1]} bytes of cluster {row[0]} are written again in their new form ({segments})"
            events.note(catalogue, target.cluster, row[0], events.MANAGEMENT, events.INFO, said, at=site.now())
    movement = Movement(site, target, deks, progress)
    if not _spread(site, target, movement, progress):
        movement.run(site.pace.workers_of(row[1]))
    resealing_vectors.all_of(site, target.cluster, target.operation, target.dek, deks)


def _spread(site: Site, target: Target, movement: Movement, progress: Progress) -> bool:
    """Have workers of Dask do it, if the config names their scheduler; whether they did."""
    if site.pace.distributed is None or left_of(site, target) == 0:
        return False
    from reconciler_warehouse.distributed.spreading import spread  # few have it, and it is slow to load

    if spread(site, site.pace.distributed, target, movement.between):
        return True
    progress("no worker answers to the scheduler: this command does the work itself", None, None)
    return False


def left_of(site: Site, target: Target) -> int:
    """How many segments are not in their target form yet."""
    with site.catalogue.read() as catalogue:
        return 0 if catalogue is None else leases.left(catalogue, target)[0]
