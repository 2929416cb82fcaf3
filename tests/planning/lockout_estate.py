"""A real key service with a warehouse and a table service above one key, copied from a template for each example."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reconciler.access.caller import Caller
from reconciler.errors import ServiceError
from reconciler.host.clock import SystemRandom
from reconciler.host.os_fs import OsFs
from reconciler.model.address import Address
from reconciler.model.ports import Clock, Random
from reconciler.planning.lockout import Rehearsal
from reconciler.planning.lockout_world import KeyWorld
from reconciler.providers.data import ClusterRequest, Root, RootKind
from reconciler.providers.key_access import Dependents
from reconciler.providers.keys import KeyProvider, KeyRequest
from reconciler.providers.plugin import ProviderServices
from reconciler.providers.tables import Column, TableRequest, TableSchema
from reconciler.testing.fakes import ManualClock
from reconciler.testing.no_other import NoOther
from reconciler_softkms import SoftKms
from reconciler_softkms.config import SoftKmsConfig
from reconciler_tables import Tables
from reconciler_tables.config import TablesConfig
from reconciler_warehouse import Warehouse
from reconciler_warehouse.config import WarehouseConfig

ACCOUNT, REGION = "111122223333", "eu-west-1"
PLATFORM = f"arn:aws:iam::{ACCOUNT}:role/platform"
LEAD = f"arn:aws:iam::{ACCOUNT}:user/db-lead"
KEY, POLICY, NEW_TABLE = Address("Key/k"), Address("KeyPolicy/k"), Address("Table/new")
SCHEMA = TableSchema(columns=(Column(name="id", type="text"),), partition_key=("id",))
ROW = {"id": "1"}


class _Resolve(NoOther):
    def __init__(self, keys: SoftKms | None) -> None:
        self._keys = keys

    def key_provider(self, name: str | None) -> KeyProvider:
        assert self._keys is not None
        return self._keys


@dataclass
class Estate:
    """Providers ``kms``, ``dwh`` and ``shop``. The one who acts for ``shop`` is ``lead``, for the others ``platform``.
    Key/k is ``key_arn``; also the ``Services`` of a rehearsal."""

    keys: SoftKms
    warehouse: Warehouse
    tables: Tables
    manual: ManualClock
    lead: str = LEAD

    @property
    def clock(self) -> Clock:
        return self.manual

    @property
    def random(self) -> Random:
        return SystemRandom()

    @property
    def project(self) -> Path:
        raise AssertionError("nothing is loaded")

    def provider(self, name: str) -> object:
        return {"kms": self.keys, "dwh": self.warehouse, "shop": self.tables}[name]

    def principal(self, name: str) -> str:
        return self.lead if name == "shop" else PLATFORM

    def caller(self, name: str = "kms") -> Caller:
        return Caller(principal=self.principal(name), account=ACCOUNT)

    def attributes(self, address: Address) -> Mapping[str, Any]:
        if address == Address("Keyspace/ks"):
            return {"id": "ks", "name": "ks"}
        return {"id": self.key_arn, "arn": self.key_arn}

    @property
    def key_arn(self) -> str:
        return self.named("k")

    def named(self, description: str) -> str:
        return next(key.arn for key in self.keys.list_keys(self.caller()) if key.description == description)

    def dependents(self, key_arn: str) -> Dependents:
        return Dependents(found=(*self.warehouse.list_dependents(key_arn), *self.tables.list_dependents(key_arn)))

    def rehearsal(self) -> Rehearsal:
        arn = self.key_arn
        world = KeyWorld(
            services=self,
            recorded=lambda address: (arn, "kms") if address == KEY else None,
            new=lambda address: None,
            key_service=lambda arn: "kms",
        )
        return Rehearsal(world=world, services=self, now=self.clock.now(), dependents=self.dependents, needs=lambda: ())

    # --- what each dependent does for real ----------------------------------------------------------------------------

    def attempts(self) -> dict[str, Callable[[], object]]:
        """Real uses of the key, by name, none of which a later one needs undone."""
        other = Root(kind=RootKind.KMS, key_arn=self.named("other"))
        quiet: Callable[..., None] = lambda *told: None  # noqa: E731  # progress that nobody reads
        who = self.caller("dwh")
        return {
            "read the table": lambda: self.tables.get_rows(self.caller("shop"), "ks", "orders", ROW),
            "open the cluster": lambda: self.warehouse.create_snapshot(
                who, "sales", "second", retention_days=None, token="second"
            ),
            "rotate the cluster": lambda: self.warehouse.rotate_encryption_key(
                who, "sales", progress=quiet, token="rotate"
            ),
            "move the table": lambda: self.tables.update_table_encryption(
                self.caller("kms"), "ks", "orders", other.key_arn, token="move"
            ),
            "move the cluster": lambda: self.warehouse.modify_encryption(
                who, "sales", other, progress=quiet, token="move"
            ),
        }


# What each attempt asks of the key that they are under: dependent and operation.
ASKS: Mapping[str, frozenset[tuple[str, str]]] = {
    "read the table": frozenset({("ks.orders", "Decrypt")}),
    "open the cluster": frozenset({("sales", "Decrypt")}),
    "rotate the cluster": frozenset({("sales", "Decrypt"), ("sales", "GenerateDataKey"), ("first", "GenerateDataKey")}),
    "move the table": frozenset({("ks.orders", "ReEncryptFrom")}),
    "move the cluster": frozenset({("sales", "Decrypt"), ("first", "ReEncryptFrom")}),
}


def works(attempt: Callable[[], object]) -> bool:
    """Whether it is carried out; False when it is refused."""
    try:
        attempt()
    except ServiceError:
        return False
    return True


def build(home: Path) -> None:
    """The template: table ks.orders, cluster sales and its snapshot first, all under Key/k; another key beside it."""
    with opened(home) as estate:
        made = {
            name: estate.keys.create_key(estate.caller(), KeyRequest(description=name), token=name).arn
            for name in ("k", "other")
        }
        platform = estate.caller("kms")
        estate.tables.create_keyspace(platform, "ks", replication="", token="ks")
        request = TableRequest(keyspace="ks", name="orders", schema=SCHEMA, key_arn=made["k"])
        estate.tables.create_table(platform, request, token="orders")
        estate.tables.put_rows(platform, "ks", "orders", [ROW])
        root = Root(kind=RootKind.KMS, key_arn=made["k"])
        cluster = ClusterRequest(name="sales", node_type="ra3.large", nodes=1, database="dev", root=root)
        estate.warehouse.create_cluster(platform, cluster, token="sales")
        estate.warehouse.create_snapshot(platform, "sales", "first", retention_days=None, token="first")


@contextmanager
def opened(home: Path, *, lead: str = LEAD) -> Iterator[Estate]:
    """The estate below ``home``."""
    clock = ManualClock()

    def services(name: str) -> ProviderServices:
        return ProviderServices(
            name=name,
            account=ACCOUNT,
            region=REGION,
            principal=PLATFORM,
            home=home,
            fs=OsFs(),
            clock=clock,
            random=SystemRandom(),
        )

    keys = SoftKms(SoftKmsConfig(), services("kms"), _Resolve(None))
    warehouse = Warehouse(WarehouseConfig(), services("dwh"), _Resolve(keys))
    tables = Tables(TablesConfig(), services("shop"), _Resolve(keys))
    try:
        yield Estate(keys, warehouse, tables, clock, lead)
    finally:
        tables.close()
        warehouse.close()
        keys.close()


@contextmanager
def copied(template: Path, home: Path, *, lead: str = LEAD) -> Iterator[Estate]:
    """A copy of the template, removed afterwards."""
    shutil.copytree(template, home)
    try:
        with opened(home, lead=lead) as estate:
            yield estate
    finally:
        shutil.rmtree(home)
