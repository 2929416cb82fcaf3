"""Who runs, and what befalls them: a schedule is drawn from its seed, replayed from what was drawn, shrunk by cutting.

Appliers are threads of which one runs at a time. Before each call of the state or a provider the running one comes to a
``point``, which is numbered; what happens there is an event or nothing. So a schedule is a handful of numbered events,
and running it again gives the same steps.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

LONGEST: Final = 4_000  # points; more of them is an apply that never ends
QUIET: Final = 0.86  # of all points: nothing happens


class Event(NamedTuple):
    """``switch`` to another applier; ``pause`` the running one; ``crash`` it; let the ``clock`` jump; ``break`` the
    lock; or what becomes of a provider's call: ``refused`` (nothing was done, the answer says so), ``lost`` (done, the
    answer lost), ``late`` (the answer lost, done some points later), ``twice``."""

    kind: str
    value: int = 0


_WEIGHTS: Final = {
    "switch": 40,
    "pause": 16,
    "crash": 7,
    "clock": 6,
    "break": 2,
    "refused": 6,
    "lost": 9,
    "late": 8,
    "twice": 6,
}
CALLS: Final = frozenset({"refused", "lost", "late", "twice"})


class Crash(BaseException):
    """The process ends here: nothing of it runs on."""


@dataclass(frozen=True)
class Schedule:
    """``variants`` says what each applier wants, by number, the last one what all must come to; ``events`` what happens
    at which point; None: drawn from ``seed``."""

    seed: int
    variants: tuple[int, ...]
    events: Mapping[int, Event] | None = None


@dataclass
class Runner:
    """One thread, and when it may go on."""

    work: Callable[[], None]
    gate: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    wakes_at: int = 0
    dead: bool = False
    over: bool = False
    failure: BaseException | None = None


class Turns:
    """Gives the turn to one runner at a time."""

    def __init__(self, schedule: Schedule) -> None:
        self._replayed = schedule.events
        self._chance = random.Random(schedule.seed)  # noqa: S311  # a schedule that can be repeated
        self._home = threading.Semaphore(0)
        self._runners: list[Runner] = []
        self.now = 0
        self.drawn: dict[int, Event] = {}
        self.running: Runner | None = None
        self.is_quiet = False

    def run(self, works: Sequence[Callable[[], None]]) -> None:
        """All of them to their end, in turns; the first failure is raised."""
        self._runners = [Runner(work) for work in works]
        threads = [threading.Thread(target=self._live, args=(runner,), daemon=True) for runner in self._runners]
        for thread in threads:
            thread.start()
        while True:
            alive = [runner for runner in self._runners if not runner.over]
            if not alive:
                break
            awake = [runner for runner in alive if runner.wakes_at <= self.now]
            if not awake:
                self.now = min(runner.wakes_at for runner in alive)
                continue
            self.running = awake[self._chosen % len(awake)]
            self.running.gate.release()
            self._home.acquire()
        for thread in threads:
            thread.join()
        for runner in self._runners:
            if runner.failure is not None:
                raise runner.failure

    _chosen = 0

    def draw(self) -> Event | None:
        """What happens at this point."""
        if self.is_quiet:
            return None
        self.now += 1
        if self.now > LONGEST:
            raise AssertionError("it never ends")
        if self._replayed is not None:
            return self._replayed.get(self.now)
        if self._chance.random() < QUIET:
            return None
        kind = self._chance.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0]
        self.drawn[self.now] = Event(kind, self._chance.randrange(1, 60))
        return self.drawn[self.now]

    def leave(self, value: int, *, asleep: int = 0) -> None:
        """Let another one run; come back when it is one's turn, after that many points at the earliest. Raises Crash
        when that turn never comes."""
        me = self.running
        if me is None or self.is_quiet:
            return
        me.wakes_at = self.now + asleep
        self._chosen = value
        self._home.release()
        me.gate.acquire()
        if me.dead:
            raise Crash

    def _live(self, runner: Runner) -> None:
        runner.gate.acquire()
        try:
            runner.work()
        except Crash:
            pass
        except BaseException as error:
            runner.failure = error
        finally:
            runner.over = True
            self._home.release()


def shrunk(schedule: Schedule, fails: Callable[[Schedule], bool]) -> Schedule:
    """A schedule with as few events as cutting finds that still ``fails``."""
    events = dict(schedule.events or {})
    size = max(1, len(events) // 2)
    while True:
        for start in range(0, len(events), size):
            cut = sorted(events)[start : start + size]
            fewer = {number: event for number, event in events.items() if number not in cut}
            if cut and fails(Schedule(schedule.seed, schedule.variants, fewer)):
                events = fewer
                break
        else:
            if size == 1:
                return Schedule(schedule.seed, schedule.variants, events)
            size = max(1, size // 2)
