"""A world of two Regions, each with the real software KMS and a warehouse, on a disk of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from reconciler.access.caller import Caller
from reconciler.errors import ProviderUnavailable
from reconciler.host.clock import SystemRandom
from reconciler.host.os_fs import OsFs
from reconciler.model.ports import Fs, Random
from reconciler.providers.data import ClusterRequest, LoadedTable, Root, RootKind
from reconciler.providers.hsm import HsmProvider
from reconciler.providers.keys import KeyProvider, KeyRequest
from reconciler.providers.plugin import ProviderServices
from reconciler.testing.fakes import ManualClock
from reconciler.testing.no_other import NoOther
from reconciler_softkms import SoftKms
from reconciler_softkms.config import SoftKmsConfig
from reconciler_warehouse import Warehouse
from reconciler_warehouse.config import WarehouseConfig
from reconciler_warehouse.tests.token_fake import TokenFake

ACCOUNT = "111122223333"
ADMIN = f"arn:aws:iam::{ACCOUNT}:role/Admin"
HERE, THERE = "eu-west-1", "eu-central-1"
OWNED = Root(kind=RootKind.OWNED)
NONE = Root(kind=RootKind.NONE)

ROWS = "".join(f"{number},CANARY-TAIL-{number:05d},{number % 97}.5\n" for number in range(5000))
CSV = "id,tail,delay\n" + ROWS


def silent(text: str, done: int | None, total: int | None) -> None:
    """Progress that nobody reads."""


@dataclass
class World:
    """Both Regions. ``warehouse`` and ``keys`` answer the one that is open now, made when first asked for; ``reopen``
    closes all, as the end of a process does. ``wrap_keys`` and ``fs`` let a test put a failing one in between,
    ``other_hsm`` is asked instead of ``hsm``; ``configs`` are the warehouses', by Region."""

    home: Path
    files: Path
    clock: ManualClock = field(default_factory=ManualClock)
    random: Random = field(default_factory=SystemRandom)
    fs: Fs = field(default_factory=OsFs)
    wrap_keys: Callable[[KeyProvider], KeyProvider] = lambda inner: inner
    checkpoint: Callable[[], None] = lambda: None
    other_hsm: HsmProvider | None = None
    out_of_reach: set[str] = field(default_factory=set)
    configs: dict[str, WarehouseConfig] = field(default_factory=dict)
    _opened: dict[tuple[str, str], Any] = field(default_factory=dict)
    _hsms: dict[str, TokenFake] = field(default_factory=dict)

    @property
    def caller(self) -> Caller:
        return Caller(principal=ADMIN, account=ACCOUNT)

    def keys(self, region: str = HERE) -> SoftKms:
        if ("keys", region) not in self._opened:
            kms = SoftKms(SoftKmsConfig(), self._services("kms", region, OsFs()), _Nothing())
            self._opened["keys", region] = kms
        found = self._opened["keys", region]
        assert isinstance(found, SoftKms)
        return found

    def warehouse(self, region: str = HERE) -> Warehouse:
        if ("warehouse", region) not in self._opened:
            resolve = _Keys(
                lambda: self.wrap_keys(self.keys(region)), lambda: self.other_hsm or self.hsm(region), self._named
            )
            config = self.configs.get(region, WarehouseConfig())
            made = Warehouse(config, self._services(f"warehouse-{region}", region, self.fs), resolve)
            self._opened["warehouse", region] = made
        found = self._opened["warehouse", region]
        assert isinstance(found, Warehouse)
        return found

    def hsm(self, region: str = HERE) -> TokenFake:
        """The HSM of the Region; it outlives ``reopen``, as a token does a process."""
        if region not in self._hsms:
            self._hsms[region] = TokenFake(self.home / "token" / region, ACCOUNT, region)
        return self._hsms[region]

    def partition(self, name: str = "a") -> Root:
        return Root(kind=RootKind.HSM, partition=self.hsm().partition(name))

    def reopen(self) -> None:
        for one in self._opened.values():
            one.close()
        self._opened.clear()

    def key(self, name: str, region: str = HERE) -> Root:
        made = self.keys(region).create_key(self.caller, KeyRequest(description=name), token=f"key/{name}")
        return Root(kind=RootKind.KMS, key_arn=made.arn)

    def file(self, name: str, content: str | bytes = CSV) -> Path:
        path = self.files / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def create(self, root: Root, name: str = "sales", call: str = "create") -> Any:
        request = ClusterRequest(name=name, node_type="ra3.large", nodes=2, database="dev", root=root)
        return self.warehouse().create_cluster(self.caller, request, token=call)

    def load(self, *files: Path, table: str = "flights", name: str = "sales", backup: bool = True) -> LoadedTable:
        return self.warehouse().load_table(
            self.caller, name, table, files, backup=backup, progress=silent, token="load"
        )

    def select(self, statement: str, name: str = "sales") -> list[tuple[Any, ...]]:
        return self.warehouse().select(self.caller, name, statement).rows

    def folder(self, region: str = HERE) -> Path:
        return self.home / "warehouse" / ACCOUNT / region

    def data_files(self, region: str = HERE) -> dict[str, bytes]:
        data = self.folder(region) / "data"
        return {path.name: path.read_bytes() for path in sorted(data.iterdir())} if data.exists() else {}

    def _named(self, name: str) -> object:
        """A provider of the project."""
        if name in self.out_of_reach:
            raise ProviderUnavailable(f"Provider/{name} cannot be reached")
        return self.warehouse(name.removeprefix("warehouse-"))

    def _meet_checkpoint(self) -> None:
        self.checkpoint()

    def _services(self, name: str, region: str, fs: Fs) -> ProviderServices:
        return ProviderServices(
            name=name,
            account=ACCOUNT,
            region=region,
            principal=ADMIN,
            home=self.home,
            fs=fs,
            clock=self.clock,
            random=self.random,
            checkpoint=self._meet_checkpoint,
        )


class _Stopped(Exception):
    pass


@contextmanager
def stopped_half_way(world: World) -> Iterator[None]:
    """What is called in the block ends at its first checkpoint, as if it had been killed there."""

    def stop() -> None:
        raise _Stopped

    world.checkpoint = stop
    with pytest.raises(_Stopped):
        yield
    world.checkpoint = lambda: None


@dataclass
class _Keys(NoOther):
    make: Callable[[], KeyProvider]
    make_hsm: Callable[[], HsmProvider]
    named: Callable[[str], object] = lambda name: pytest.fail("nor for any other")

    def key_provider(self, name: str | None) -> KeyProvider:
        return self.make()

    def hsm_provider(self, name: str | None) -> HsmProvider:
        return self.make_hsm()

    def provider(self, name: str) -> object:
        return self.named(name)


class _Nothing(_Keys):
    def __init__(self) -> None:
        super().__init__(lambda: pytest.fail("a key service asks for no other"), lambda: pytest.fail("nor for an HSM"))
