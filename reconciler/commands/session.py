"""What a command works with: project, manifests, state, providers. Opened when first asked for, closed together."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack, suppress
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from reconciler.commands.context import Globals
from reconciler.commands.output import explain
from reconciler.commands.undeclared import not_declared
from reconciler.errors import Diagnostic, HostError, ProviderUnavailable, StoreRolledBack, UsageError
from reconciler.host.clock import SystemClock, SystemRandom
from reconciler.host.interrupts import Interrupts
from reconciler.host.os_fs import OsFs
from reconciler.model.address import Address
from reconciler.model.ports import Clock, Fence, Fs, Mac, Random, StopRequested
from reconciler.project.project import Overrides, Project, load_project

if TYPE_CHECKING:
    from reconciler.commands.heartbeat import Heartbeat
    from reconciler.commands.plugins import Permitted
    from reconciler.loading.cache import ManifestCache
    from reconciler.loading.manifests import Manifests
    from reconciler.planning.inventory import Inventory
    from reconciler.providers.census import Census
    from reconciler.providers.key_access import Dependents
    from reconciler.providers.pool import Declaration, ProviderPool
    from reconciler.providers.retired_keys import RetiredKeys
    from reconciler.resources.planned import Declared
    from reconciler.state.sqlite_store import SqliteState
    from reconciler.state.store import StateReader


class Session:
    """One command's world. Also the ``Services`` that planning gets."""

    def __init__(
        self, flags: Globals, *, fs: Fs | None = None, clock: Clock | None = None, random: Random | None = None
    ) -> None:
        self.flags = flags
        self.fs = fs or OsFs()
        self._clock = clock or SystemClock()
        self._random = random or SystemRandom()
        self.closing = ExitStack()
        self.stop: threading.Event | None = None  # set when the apply that runs is to end
        self.interrupts = Interrupts()  # of a statement that runs
        self.heart: Heartbeat | None = None  # beats while this session holds the state's lock
        self.older_copies: Mapping[Address, StoreRolledBack] = {}  # clusters that were set back, found by an apply

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closing.close()

    @property
    def clock(self) -> Clock:
        """See ``Services.clock``."""
        return self._clock

    @property
    def random(self) -> Random:
        """See ``Services.random``."""
        return self._random

    @cached_property
    def settings(self) -> Project:
        """Where this project's things are (CONTRACT 2)."""
        from reconciler.loading.project_file import parse_settings_file

        overrides = Overrides(manifests=self.flags.manifests, home=self.flags.home, environment=self.flags.environment)
        return load_project(
            self.fs, Path(self.flags.directory), parse_settings_file, environ=os.environ, flags=overrides
        )

    @property
    def project(self) -> Path:
        """See ``Services.project``."""
        return self.settings.directory

    @cached_property
    def seal(self) -> Mac | None:
        """The project's seal, None before `init` or the first apply made one."""
        from reconciler.state.seal import find_seal

        return find_seal(self.fs, self.settings.home)

    @property
    def is_initialised(self) -> bool:
        """Whether seal and state are there."""
        return self.seal is not None and self.fs.exists(self.settings.state_path)

    def initialise(self) -> None:
        """Make what is missing of home, seal and state. Only for what writes anyway: apply, destroy, plan --out."""
        from reconciler.state.initialise import initialise

        initialise(self.fs, self.random, self.clock, home=self.settings.home, state_path=self.settings.state_path)
        self.__dict__.pop("seal", None)

    @cached_property
    def manifests(self) -> Manifests:
        """Everything declared. InvalidManifests."""
        from reconciler.loading.load import load

        places = [str(place) for place in self.settings.manifests]
        return load(self.project, places, read_stdin=sys.stdin.buffer.read, cache=self._cache())

    def read_again(self) -> None:
        """Have the manifests of now, where they may have changed since they were read. Standard input is said once."""
        places = [str(place) for place in self.settings.manifests]
        before: Manifests | None = self.__dict__.pop("manifests", None)
        if before is None or "-" in places:
            self.__dict__.update({} if before is None else {"manifests": before})
            return
        if self.manifests.digest == before.digest:
            self.__dict__["manifests"] = before
            return
        gone = [self.__dict__.pop(name, None) for name in ("declared", "selected", "pool")]
        if (pool := gone[-1]) is not None:
            pool.close()

    def _cache(self) -> ManifestCache | None:
        """What was loaded before; authenticated with the seal, so there is none without it."""
        if self.seal is None:
            return None
        from reconciler.loading.cache import ManifestCache

        cache = ManifestCache(self.settings.home, self.seal)
        self.closing.callback(cache.close)
        return cache

    @cached_property
    def declared(self) -> Declared:
        """Everything declared but the Providers, which are settings and not objects."""
        return {resource.address: resource for resource in self.manifests.resources if resource.provider is not None}

    @cached_property
    def selected(self) -> frozenset[Address] | None:
        """The resources that ``-l`` selects; None without it."""
        if self.flags.selector is None:
            return None
        from reconciler.loading.selector import parse_selector

        found = self.manifests.selected(parse_selector(self.flags.selector))
        if not found:
            explain(
                [
                    Diagnostic(
                        code="nothing-selected",
                        severity="warning",
                        summary=f'The selector "{self.flags.selector}" fits no resource',
                        suggestion="It compares with metadata.labels of the manifests.",
                    )
                ]
            )
        return found

    def is_wanted(self, address: Address) -> bool:
        """Whether ``-l`` selects the resource, or was not given."""
        return self.selected is None or address in self.selected

    @cached_property
    def pool(self) -> ProviderPool:
        """The declared providers."""
        pool = self.pool_of(self.manifests.providers, self.settings.home)
        self.closing.callback(pool.close)
        return pool

    def pool_of(self, declarations: Mapping[str, Declaration], home: Path) -> ProviderPool:
        """Providers as declared, below ``home``; the caller closes the pool (``closing``)."""
        from reconciler.providers.pool import ProviderPool

        permitted = self._permitted
        return ProviderPool(
            declarations,
            permitted.plugins.find,
            home=home,
            fs=self.fs,
            clock=self.clock,
            random=self.random,
            fence=self.fence,
            checkpoint=self.checkpoint,
            interruptible=self.interrupts,
            commands=permitted.commands,
            modules=permitted.modules,
        )

    def provider(self, name: str) -> object:
        """See ``Services.provider``."""
        if name not in self.manifests.providers:
            raise not_declared(name)
        return self.pool.provider(name)

    def providers_in(self, protocol: str, account: str, region: str) -> list[str]:
        """See ``LocatesProviders.providers_in``."""
        return [
            name
            for name, declared in sorted(self.manifests.providers.items())
            if (declared.account, declared.region) == (account, region) and self.pool.protocol_of(name) == protocol
        ]

    def principal(self, name: str) -> str:
        """See ``Services.principal`` (DESIGN 2: ``--as``, else RECONCILER_PRINCIPAL, else the manifest's)."""
        said = self.flags.principal or os.environ.get("RECONCILER_PRINCIPAL")
        if said:
            if said.count(":") < 5 or not said.startswith("arn:"):
                raise UsageError(
                    f'"{said}" is not the ARN of a principal',
                    suggestion="One reads arn:aws:iam::111122223333:role/platform; it comes from --as or "
                    "RECONCILER_PRINCIPAL.",
                )
            return said
        declared = self.manifests.providers.get(name)
        if declared is None:
            raise not_declared(name)
        return str(declared.principal)

    def attributes(self, address: Address) -> Mapping[str, Any]:
        """See ``Services.attributes``."""
        row = self.reader.get(address)
        if row is None or row.identity is None:
            raise KeyError(address)
        return row.attributes

    def census(self, key_arn: str | None = None) -> Census:
        """What every key still opens, or that one, asked of every data provider that is declared or keeps something at
        home, and of key services whose own store a key of another seals."""
        from dataclasses import replace

        from reconciler.providers.census import take_census
        from reconciler.providers.data import CountsKeyUses
        from reconciler.providers.plugin import KEYS, serves

        reachable: dict[str, object] = {}
        unreachable: list[str] = []
        for name in self.manifests.providers:
            try:
                provider = self.pool.provider(name)
                if not serves(self.pool.protocol_of(name), KEYS) or isinstance(provider, CountsKeyUses):
                    reachable[name] = provider
            except ProviderUnavailable:
                unreachable.append(name)
        undeclared = self._undeclared()
        reachable.update((name, built) for name, built in undeclared.items() if built is not None)
        unreachable += [name for name, built in undeclared.items() if built is None]
        return replace(taken := take_census(reachable, key_arn), unreachable=(*taken.unreachable, *unreachable))

    def _undeclared(self) -> Mapping[str, object | None]:
        try:
            return self.pool.undeclared()
        except HostError:
            return {"whatever the home has, which cannot be read,": None}

    def dependents(self, key_arn: str) -> Dependents:
        """See ``KnowsDependents.dependents``."""
        from reconciler.providers.key_access import ask_dependents

        return ask_dependents(self._data_planes(), self._undeclared, key_arn)

    def retired_keys(self, partition: str, key_ids: Collection[str] = ()) -> RetiredKeys:
        """See ``KnowsRetiredKeys.retired_keys``."""
        from reconciler.providers.retired_keys import ask_retired_keys

        return ask_retired_keys(self._data_planes(), self._undeclared, partition, key_ids)

    def _data_planes(self) -> Mapping[str, Callable[[], object]]:
        """Those that are declared, each built when it is first called."""
        from functools import partial

        from reconciler.providers.plugin import KEYS, serves

        planes = (name for name, protocol in self._protocols().items() if not serves(protocol, KEYS))
        return {name: partial(self.pool.provider, name) for name in planes}

    def key_service_of(self, arn: str) -> str | None:
        """See ``FindsKeys.key_service_of``."""
        from reconciler.providers.plugin import KEYS

        place = arn.split(":")[3:5]
        for name, declared in self.manifests.providers.items():
            with suppress(ProviderUnavailable):
                if [declared.region, declared.account] == place and self.pool.protocol_of(name) == KEYS:
                    return name
        return None

    def inventory(self, keys: Collection[str] | None = None, *, to_show: bool = False) -> Inventory:
        """Everything that exists, or what concerns those keys, asked of every declared Provider (I3). ``to_show``:
        nothing is decided by it, so of the state only what is easily found is read."""
        from reconciler.planning.take_inventory import take_inventory

        return take_inventory(
            self,
            protocols=self._protocols(),
            census=self.census,
            state=self.reader,
            keys=keys,
            declared=self.declared if to_show else None,
        )

    def _protocols(self) -> dict[str, str]:
        """That of each declared Provider; of one whose plugin cannot be loaded: ""."""
        found: dict[str, str] = {}
        for name in self.manifests.providers:
            try:
                found[name] = self.pool.protocol_of(name)
            except ProviderUnavailable:
                found[name] = ""
        return found

    @cached_property
    def reader(self) -> StateReader:
        """The state, for reading; empty when there is none yet."""
        from reconciler.state.sqlite_reader import open_reader

        reader = open_reader(self.settings.state_path, self.seal)
        self.closing.callback(reader.close)
        return reader

    @cached_property
    def store(self) -> SqliteState:
        """The state, for the one who will hold its lock."""
        from reconciler.state.sqlite_reader import lost_seal
        from reconciler.state.sqlite_store import SqliteState

        if self.seal is None:
            raise lost_seal(self.settings.state_path)
        store = SqliteState(self.settings.state_path, seal=self.seal, clock=self.clock, random=self.random)
        self.closing.callback(store.close)
        self.__dict__["reader"] = store
        return store

    def open_in_doubt(self, seal: Mac) -> SqliteState:
        """The state, for ``state reseal`` alone: opened whatever its proofs say."""
        from reconciler.state.sqlite_store import SqliteState

        store = SqliteState(self.settings.state_path, seal=seal, clock=self.clock, random=self.random, in_doubt=True)
        self.closing.callback(store.close)
        self.__dict__.update(store=store, reader=store)
        return store

    def checkpoint(self) -> None:
        """StopRequested once a stop was asked for."""
        if self.stop is not None and self.stop.is_set():
            raise StopRequested

    def fence(self) -> Fence | None:
        """Who writes: set while this session holds the state's lock (I13)."""
        return self.store.fence if "store" in self.__dict__ else None

    @cached_property
    def _permitted(self) -> Permitted:
        from reconciler.commands.plugins import Permitted

        return Permitted(self.fs, self.project)

    def permitted_commands(self) -> Collection[tuple[str, ...]]:
        """See ``PermitsCommands.permitted_commands``."""
        return self._permitted.commands()

    def new_id(self) -> str:
        """A fresh id for a plan."""
        return self.random.bytes(16).hex()
