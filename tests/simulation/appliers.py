"""Several appliers of one project at once, each with manifests of its own, on simulated providers (RELIABILITY T5).

The planner, the recovery, the executor and the recorder are the real ones, and so are the pool and its fence; state and
providers are in memory. What is checked: a key that is gone wrapped nothing, nobody who was overtaken changes anything,
no object is there twice or belongs to nobody, and in the end one apply makes everything as it is declared.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from operator import attrgetter
from pathlib import Path
from typing import Any
from unittest.mock import patch

from pydantic import BaseModel

from reconciler.access.caller import Caller
from reconciler.applying import executor
from reconciler.applying.recovery import recover
from reconciler.commands import applying, planning
from reconciler.commands.context import Globals
from reconciler.commands.planning import make_plan
from reconciler.commands.session import Session
from reconciler.commands.upkeep import clear_up
from reconciler.errors import BlockedByGuard, LockHeld, ProviderUnavailable, ReconcilerError, ThrottlingException
from reconciler.model.ports import Fence
from reconciler.planning.request import PlanRequest
from reconciler.providers.data import ClusterDescription, ClusterRequest, KeyUse, Progress, Root, RootKind
from reconciler.providers.plugin import KEYS, WAREHOUSE, ProviderServices
from reconciler.providers.pool import ProviderPool
from reconciler.testing.fakes import ManualClock, SeededRandom
from tests.resources.in_memory import MemoryWarehouse
from tests.simulation.memory_keys import MemoryKeys
from tests.simulation.memory_state import Content, MemoryState
from tests.simulation.schedule import CALLS, Event, Schedule, Turns
from tests.world import document, provider

FREE = "{preventDestroy: false}"
WINDOW_DAYS = 7


def _key(name: str, **spec: Any) -> str:
    return document("Key", name, description=name, lifecycle=FREE, deletionWindow=f"{WINDOW_DAYS}d", **spec)


def _cluster(key: str, rotation: str = "", nodes: int = 1) -> str:
    encryption = f"{{key: {key}{rotation}}}"
    return document("Cluster", "c", provider="dw", nodeType="ra3.large", nodes=nodes, encryption=encryption)


_TURN = ", rotation: {trigger: again}"
VARIANTS = (
    _key("k1") + _cluster("k1"),
    _key("k1") + _key("k2") + _cluster("k2"),
    _key("k2") + _cluster("k2") + document("Alias", "a", key="k2"),
    _key("k1") + _cluster("k1", _TURN) + document("Alias", "a", key="k1"),
    _key("k1", rotation="{trigger: again}") + _cluster("k1", nodes=2),
    _key("k2", enabled="true") + _cluster("k2", _TURN),
)
_PROVIDERS = provider("kms") + provider("dw", "warehouse")


@dataclass
class SimWarehouse(MemoryWarehouse):
    """Wraps under a key first and writes that down later, as the real one does: in between anything may happen."""

    world: World = field(kw_only=True)

    def create_cluster(self, caller: Caller, request: ClusterRequest, *, token: str) -> ClusterDescription:
        self._wrap(request.root)
        return super().create_cluster(caller, request, token=token)

    def modify_encryption(
        self, caller: Caller, name: str, root: Root, *, progress: Progress, token: str
    ) -> ClusterDescription:
        self._wrap(root)
        return super().modify_encryption(caller, name, root, progress=progress, token=token)

    def key_uses(self, key_arn: str | None = None) -> list[KeyUse]:
        return [
            KeyUse(key_arn=one.root.key_arn, what="cluster", name=one.name, arn=one.arn, bytes=1)
            for one in self.clusters.values()
            if one.root.key_arn is not None and key_arn in (None, one.root.key_arn)
        ]

    def _wrap(self, root: Root) -> None:
        if root.kind is RootKind.KMS:
            self.world.keys.require_usable(str(root.key_arn))
            self.world.within_a_call(self)


class _AnyConfig(BaseModel):
    """Nothing is configured."""


@dataclass
class World:
    """What all appliers share. ``checks_fence`` False is a provider that forgot to."""

    schedule: Schedule
    checks_fence: bool = True

    def __post_init__(self) -> None:
        self.turns = Turns(self.schedule)
        self.clock = ManualClock()
        self.content = Content()
        self.keys = MemoryKeys(self.clock, on_destruction=self._destroyed)
        self.warehouse = SimWarehouse("eu-west-1", self.clock, world=self)
        self.highest: dict[int, int] = {}
        self.read_under: dict[int, int] = {}
        self.late: list[tuple[int, Callable[[], object]]] = []
        self.broken_rules: list[str] = []
        self.senders: list[Fence | None] = []
        self.acknowledged = 0

    def point(self, store: MemoryState | None = None, *, is_call: bool = False) -> Event | None:
        """The running applier is about to call somebody. The event that belongs to the call itself, if any."""
        event = self.turns.draw()
        self.clock.advance(seconds=1)
        self._deliver()
        runner = self.turns.running
        if event is None:
            pass
        elif event.kind == "crash" and runner is not None:
            runner.dead = True
            self.turns.leave(event.value)
        elif event.kind == "switch":
            self.turns.leave(event.value)
        elif event.kind == "pause":
            self.clock.advance(seconds=10 * event.value)
            self.turns.leave(event.value, asleep=event.value)
        elif event.kind == "clock":
            self._jump(event.value)
        elif event.kind == "break":
            self.content.token += 1
            self.content.holder = None
        elif is_call:
            return event
        self._beat(store)
        return None

    def within_a_call(self, provider: object) -> None:
        """Between two effects of one call; the second is written under the fence of whoever called."""
        if not self.senders:
            return
        sender = self.senders[-1]
        event = self.turns.draw()
        if event is not None and event.kind in ("switch", "pause"):
            senders, self.senders = self.senders, []
            self.clock.advance(seconds=10 * event.value)
            self.turns.leave(event.value, asleep=event.value if event.kind == "pause" else 0)
            self.senders = senders
        self.check_fence(provider, sender)

    def check_fence(self, provider: object, fence: Fence | None) -> None:
        """As ``reconciler.host.fencing`` does, in the same moment as the effect."""
        token = 0 if fence is None else fence.token
        highest = self.highest.get(id(provider), 0)
        if token < highest and self.checks_fence:
            raise LockHeld("A higher token wrote here")
        if token < self.read_under.get(id(provider), 0):
            self.broken_rules.append(f"changed under token {token} what token {highest} had looked at")
        self.highest[id(provider)] = max(token, highest)

    def later(self, points: int, effect: Callable[[], object]) -> None:
        """A call whose effect comes after its caller has given up."""
        self.late.append((self.turns.now + points, effect))

    def settle_down(self) -> None:
        """What is still under way arrives; nothing more happens by itself."""
        self.turns.is_quiet = True
        for _, effect in self.late:
            with suppress(ReconcilerError):
                effect()
        self.late.clear()
        self.clock.advance(hours=1)

    def _deliver(self) -> None:
        due = [effect for at, effect in self.late if at <= self.turns.now]
        self.late = [(at, effect) for at, effect in self.late if at > self.turns.now]
        for effect in due:
            with suppress(ReconcilerError):
                effect()

    def _jump(self, value: int) -> None:
        """Some minutes forth or back; one of them in a while beyond every window."""
        self.clock.advance(days=WINDOW_DAYS + 1) if value == 1 else self.clock.advance(minutes=value - 20)
        self.keys.end_windows()

    def _beat(self, store: MemoryState | None) -> None:
        if store is not None:
            with suppress(LockHeld):
                store.heartbeat()

    def _destroyed(self, arn: str) -> None:
        for use in self.warehouse.key_uses(arn):
            self.broken_rules.append(f"{arn} was destroyed and still opened {use.what} {use.name}")


class Remote:
    """A provider as one process reaches it: its calls take time, get lost, arrive late or twice."""

    def __init__(self, world: World, inner: object, store: MemoryState) -> None:
        self._world, self._inner, self._store = world, inner, store

    def raise_fence(self) -> None:
        """See ``Fenced.raise_fence``."""
        self._world.point(self._store)
        fence = self._store.fence
        self._world.check_fence(self._inner, fence)
        self._world.read_under[id(self._inner)] = max(
            self._world.read_under.get(id(self._inner), 0), 0 if fence is None else fence.token
        )

    def close(self) -> None:
        """Nothing is held."""

    def _call(self, method: Callable[..., Any], changes: bool, arguments: Any, named: Any) -> Any:
        world, fence = self._world, self._store.fence
        event = world.point(self._store, is_call=True)

        def effect() -> Any:
            if changes:
                world.check_fence(self._inner, fence)
            world.senders.append(fence if changes else None)
            try:
                return method(*arguments, **named)
            finally:
                if world.senders:
                    world.senders.pop()

        def arrives_alone() -> Any:
            quiet, world.turns.is_quiet = world.turns.is_quiet, True
            try:
                return effect()
            finally:
                world.turns.is_quiet = quiet

        if event is None or event.kind not in CALLS:
            return effect()
        if event.kind == "refused":
            raise ThrottlingException("come again") if event.value % 2 else ProviderUnavailable("no answer")
        if event.kind == "late":
            world.later(event.value, arrives_alone)
            raise ProviderUnavailable("no answer")
        answer = effect()
        if event.kind == "lost":
            raise ProviderUnavailable("no answer")
        return arrives_alone() if event.kind == "twice" else answer


_READS = ("describe_", "list_", "find_", "key_uses", "default_", "get_")


@cache
def _remote(kind: type) -> type[Remote]:
    """``Remote`` with the methods of a provider, so that its capabilities are seen."""
    members: dict[str, Any] = {}
    for name, method in inspect.getmembers(kind, inspect.isfunction):
        if not name.startswith("_"):
            members[name] = _forwarding(method, name)
    for name in ("region", "account"):
        members[name] = property(attrgetter(f"_inner.{name}"))
    return type(f"Remote{kind.__name__}", (Remote,), members)


def _forwarding(method: Callable[..., Any], name: str) -> Callable[..., Any]:
    changes = not name.startswith(_READS)

    def call(self: Remote, *arguments: Any, **named: Any) -> Any:
        return self._call(method, changes, (self._inner, *arguments), named)

    return call


@dataclass
class Plugin:
    """What the pool takes for a plugin's class."""

    make: Callable[[], object]
    protocol: str
    config_model: type[BaseModel] = _AnyConfig

    def __call__(self, config: BaseModel, services: ProviderServices, resolve: object) -> object:
        return self.make()


class SimState(MemoryState):
    """The state as one process reaches it."""

    world: World


def _slow(name: str) -> Callable[..., Any]:
    method = getattr(MemoryState, name)

    def call(self: SimState, *arguments: Any, **named: Any) -> Any:
        self.world.point(self)
        return method(self, *arguments, **named)

    return call


for _name in ("acquire", "begin", "finish", "settle", "abandon", "release", "open_intents", "heads", "all"):
    setattr(SimState, _name, _slow(_name))


@cache
def _loaded(variant: int, folder: Path) -> Any:
    """The manifests of a variant, read once."""
    place = folder / str(variant)
    (place / "manifests").mkdir(parents=True, exist_ok=True)
    (place / "manifests" / "world.yaml").write_text(_PROVIDERS + VARIANTS[variant])
    (place / "reconciler.yaml").write_text("home: .reconciler\n")
    with Session(Globals(directory=str(place))) as session:
        return session.settings, session.manifests


class SimSession(Session):
    """One process: the real session, on simulated providers."""

    def __init__(self, world: World, number: int, variant: int, folder: Path) -> None:
        super().__init__(Globals(), clock=world.clock, random=SeededRandom(f"{world.schedule.seed}/{number}"))
        settings, manifests = _loaded(variant, folder)
        store = SimState(world.content, world.clock, f"host {number}")
        store.world = world
        plugins = {
            "softkms": Plugin(lambda: _remote(MemoryKeys)(world, world.keys, store), KEYS),
            "warehouse": Plugin(lambda: _remote(SimWarehouse)(world, world.warehouse, store), WAREHOUSE),
        }
        pool = ProviderPool(
            manifests.providers,
            plugins.__getitem__,  # type: ignore[arg-type]  # it is called as a class is
            home=folder,
            fs=self.fs,
            clock=self.clock,
            random=self.random,
            fence=self.fence,
        )
        self.__dict__.update(settings=settings, manifests=manifests, store=store, reader=store, pool=pool, seal=None)


def apply(session: SimSession) -> None:
    """What the command does under the lock; raises what it would explain."""
    store: Any = session.store
    store.acquire("apply", timeout=0)
    try:
        if store.open_intents():
            clear_up(session)
            recover(store, session, _unheard)
        planned = make_plan(session, PlanRequest(), warn=False)
        applying.refuse_blocked(planned.plan)
        applying.carry_out(session, planned, "text", parallelism=1)
    finally:
        with suppress(ReconcilerError):
            store.release()


def _unheard(what: object) -> None:
    """Nobody watches."""


class InlinePool:
    """Runs at once, in the thread that asks."""

    def __init__(self, **options: Any) -> None:
        pass

    def __enter__(self) -> InlinePool:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def submit(self, work: Callable[..., Any], *arguments: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(work(*arguments))
        return done


@contextmanager
def simulating() -> Iterator[None]:
    """Appliers are quiet and have no threads of their own."""
    with (
        patch.object(executor, "ThreadPoolExecutor", InlinePool),
        patch.object(applying, "view", lambda form: _unheard),
        patch.object(planning, "_refuse_what_no_provider_does", lambda session, planned: None),
    ):
        yield


def simulate(schedule: Schedule, folder: Path, *, checks_fence: bool = True) -> World:
    """Carry a schedule out, inside ``simulating()``; the broken rules are in the world that comes back."""
    world = World(schedule, checks_fence=checks_fence)
    *wanted, last = schedule.variants
    try:
        world.turns.run([_applier(world, number, variant, folder) for number, variant in enumerate(wanted)])
    except Exception as error:
        world.broken_rules.append(f"an applier ended with {type(error).__name__}: {error}")
    world.settle_down()
    _come_to_an_end(world, last, folder)
    return world


def _applier(world: World, number: int, variant: int, folder: Path) -> Callable[[], None]:
    def work() -> None:
        for attempt in range(3):
            try:
                apply(SimSession(world, 10 * number + attempt, variant, folder))
                world.acknowledged += 1
                return
            except LockHeld:
                world.turns.leave(number + 1, asleep=7)
            except ReconcilerError:
                world.turns.leave(number + 1)

    return work


def _come_to_an_end(world: World, variant: int, folder: Path) -> None:
    """One apply, undisturbed; then everything is as declared (G14)."""
    try:
        apply(SimSession(world, 1_000, variant, folder))
    except BlockedByGuard as error:
        if "key-missing" not in {problem.code for problem in error.diagnostics()}:
            world.broken_rules.append(f"the last apply was refused: {[one.summary for one in error.diagnostics()]}")
        return  # a key whose window is over is gone for good; nobody pretends otherwise
    except ReconcilerError as error:
        found = "; ".join(problem.summary for problem in error.diagnostics())
        world.broken_rules.append(f"the last apply failed: {found}")
        return
    session = SimSession(world, 1_001, variant, folder)
    again = make_plan(session, PlanRequest(), warn=False).plan
    if again.has_changes:
        world.broken_rules.append(f"the last apply left something to do: {[one.address for one in again.changes]}")
    world.broken_rules += _misfits(world, session)
    world.clock.advance(days=WINDOW_DAYS + 30)
    world.keys.end_windows()


def _misfits(world: World, session: SimSession) -> Iterator[str]:
    """What is there and should not be, or is not and should."""
    rows = world.content.rows.values()
    kept = {row.address.name for row in rows if row.address.kind == "Key" and row.standing == "retained"}
    declared = {address.name for address in session.declared if address.kind == "Key"}
    usable = [key.description for key in world.keys.keys.values() if key.deletion_date is None]
    if sorted(usable) != sorted(declared | kept):
        yield f"keys {sorted(usable)}, declared {sorted(declared)}, kept {sorted(kept)}"
    names = {f"alias/{address.name}" for address in session.declared if address.kind == "Alias"}
    if world.keys.aliases.keys() != names:
        yield f"aliases {sorted(world.keys.aliases)}, declared {sorted(names)}"
    if list(world.warehouse.clusters) != ["c"]:
        yield f"clusters {sorted(world.warehouse.clusters)}"
    if world.content.pending:
        yield f"open steps {sorted(world.content.pending)}"
    unsettled = [row.address for row in world.content.rows.values() if not row.settled and row.standing == "managed"]
    if unsettled:
        yield f"unsettled {unsettled}"


def drawn(seed: int) -> Schedule:
    """The schedule of a seed: two to four appliers, what each wants, and what all must come to."""
    chance = SeededRandom(f"variants of {seed}").bytes(6)
    count = 3 + chance[0] % 3
    return Schedule(seed, tuple(byte % len(VARIANTS) for byte in chance[1 : count + 1]))
