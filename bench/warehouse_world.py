"""A key service, a warehouse and tables for bench/warehouse.py: a home as the product makes it."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import duckdb

from reconciler.access.caller import Caller
from reconciler.host.clock import SystemClock, SystemRandom
from reconciler.host.os_fs import OsFs
from reconciler.providers.data import ClusterRequest, Root, RootKind
from reconciler.providers.keys import KeyProvider, KeyRequest
from reconciler.providers.plugin import ProviderServices
from reconciler.testing.no_other import NoOther
from reconciler_softkms import SoftKms
from reconciler_softkms.config import SoftKmsConfig
from reconciler_warehouse import Warehouse
from reconciler_warehouse.config import WarehouseConfig

ACCOUNT, REGION = "111122223333", "eu-west-1"
ADMINISTRATOR = f"arn:aws:iam::{ACCOUNT}:role/platform"
CALLER = Caller(principal=ADMINISTRATOR, account=ACCOUNT)
NONE = Root(kind=RootKind.NONE)
_ROWS = """SELECT range AS id,
    TIMESTAMP '2026-01-01' + to_microseconds(CAST(range * 2500 + hash(range) % 2500 AS BIGINT)) AS ts,
    (hash(range, 1) % 1000000007)::DOUBLE / 1e4 AS amount, CAST(hash(range, 2) % 1000 AS INTEGER) AS qty,
    ['eu-west-1', 'us-east-1', 'ap-south-1', 'sa-east-1'][CAST(1 + hash(range, 3) % 4 AS BIGINT)] AS region,
    md5(range || 'a') || md5(range || 'b') || md5(range || 'c') AS payload
    FROM range({rows})"""


def make_file(path: Path, rows: int) -> Path:
    """A Parquet file of so many rows, about 140 bytes each, half of which no compression makes smaller."""
    if not path.exists():
        with duckdb.connect() as engine:
            engine.execute("SET threads = 1")
            engine.execute(f"COPY ({_ROWS.format(rows=rows)}) TO '{path}' (FORMAT parquet, COMPRESSION lz4)")
    return path


class Home:
    """One Region of a home, with its software KMS and its warehouse."""

    def __init__(self, folder: Path, config: WarehouseConfig | None = None) -> None:
        self.folder = folder
        self._open = ExitStack()
        self._kms = SoftKms(SoftKmsConfig(), self._services("kms"), NoOther())
        self._open.callback(self._kms.close)
        self.warehouse = Warehouse(config or WarehouseConfig(), self._services("dw"), _Keys(self._kms))
        self._open.callback(self.warehouse.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    @property
    def data(self) -> Path:
        """Where the segments lie."""
        return self.folder / "warehouse" / ACCOUNT / REGION / "data"

    def key(self) -> Root:
        """A new root key."""
        made = self._kms.create_key(CALLER, KeyRequest(description="bench"), token="key")
        return Root(kind=RootKind.KMS, key_arn=made.arn)

    def load(self, name: str, root: Root, file: Path) -> set[Path]:
        """A cluster with the file's rows in table ``t``; the segments of it."""
        before = set(self.data.iterdir()) if self.data.exists() else set()
        request = ClusterRequest(name=name, node_type="ra3.large", nodes=2, database="dev", root=root)
        self.warehouse.create_cluster(CALLER, request, token=f"create {name}")
        self.warehouse.load_table(CALLER, name, "t", [file], backup=True, progress=_silent, token=f"load {name}")
        return set(self.data.iterdir()) - before

    def encrypt(self, name: str, root: Root) -> None:
        """Off → on, or on → off with ``NONE``."""
        self.warehouse.modify_encryption(CALLER, name, root, progress=_silent, token=f"{name} {root.kind}")

    def select(self, name: str, statement: str) -> list[tuple[Any, ...]]:
        """The rows of the answer."""
        return list(self.warehouse.select(CALLER, name, statement).rows)

    def _services(self, name: str) -> ProviderServices:
        return ProviderServices(
            name=name,
            account=ACCOUNT,
            region=REGION,
            principal=ADMINISTRATOR,
            home=self.folder,
            fs=OsFs(),
            clock=SystemClock(),
            random=SystemRandom(),
        )


class _Keys(NoOther):
    def __init__(self, keys: KeyProvider) -> None:
        self._keys = keys

    def key_provider(self, name: str | None) -> KeyProvider:
        return self._keys


def _silent(text: str, done: int | None, total: int | None) -> None:
    """Progress that nobody reads."""
