"""Tokens, an HSM provider and a cluster rooted in it, for bench/hsm.py."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from reconciler.access.caller import Caller
from reconciler.host.clock import SystemClock, SystemRandom
from reconciler.host.os_fs import OsFs
from reconciler.providers.data import ClusterRequest, Root, RootKind
from reconciler.providers.hsm import HsmProvider, PartitionRequest
from reconciler.providers.plugin import ProviderServices
from reconciler.providers.secret_source import SecretSource
from reconciler.testing.no_other import NoOther
from reconciler_pkcs11 import Pkcs11
from reconciler_pkcs11.config import Pkcs11Config
from reconciler_pkcs11.tests import making, tokens
from reconciler_warehouse import Warehouse
from reconciler_warehouse.config import WarehouseConfig

ACCOUNT, REGION = "111122223333", "eu-west-1"
ADMINISTRATOR = f"arn:aws:iam::{ACCOUNT}:role/platform"
CALLER = Caller(principal=ADMINISTRATOR, account=ACCOUNT)
CONTEXT = {"aws:redshift:arn": f"arn:aws:redshift:{REGION}:{ACCOUNT}:cluster:bench"}
_CRYPTO = ("C_Encrypt", "C_Decrypt", "C_WrapKey", "C_UnwrapKey", "C_Sign", "C_GenerateKey")


class HsmBench:
    """``folder`` holds tokens of its own and a home; ``module`` is softhsm, or faulty: the same behind a shim that
    writes down every call."""

    def __init__(self, folder: Path, module: str = "softhsm") -> None:
        making.make(folder / "made")
        self.tokens = tokens.copied(folder / "made", folder / "hsm")
        self._folder, self._module = folder, module

    @contextmanager
    def provider(self) -> Iterator[Pkcs11]:
        """The provider, as a process opens it."""
        with closing(Pkcs11(Pkcs11Config(module=self._module), self.services("hsm"), NoOther())) as opened:
            yield opened

    def services(self, name: str) -> ProviderServices:
        """What a provider is given."""
        return ProviderServices(
            name=name,
            account=ACCOUNT,
            region=REGION,
            principal=ADMINISTRATOR,
            home=self._folder / "home",
            fs=OsFs(),
            clock=SystemClock(),
            random=SystemRandom(),
            modules=lambda: self.tokens.modules,
        )

    def request(self) -> PartitionRequest:
        """The partition that is used."""
        token = self.tokens["a"]
        return PartitionRequest(name="bench", token_label=token.label, pin_from=SecretSource(file=str(token.pin_file)))

    def file(self, rows: int) -> Path:
        """A file of data."""
        path = self._folder / "data.csv"
        path.write_text("id,tail\n" + "".join(f"{number},N{number}\n" for number in range(rows)))
        return path

    def calls(self, *names: str) -> int:
        """How often the shim saw these functions."""
        return sum(name in names for name in self.tokens.calls())


class _Hsm(NoOther):
    """Finds that HSM provider, whoever asks."""

    def __init__(self, hsm: Pkcs11) -> None:
        self._hsm = hsm

    def hsm_provider(self, name: str | None) -> HsmProvider:
        """See ``Resolve``."""
        return self._hsm


def restarted_cluster(world: HsmBench, tables: int) -> tuple[int, int]:
    """Token operations and C_Login of a restart: a new process opens a cluster of so many tables and reads them all
    in one statement."""
    with world.provider() as hsm:
        root = Root(kind=RootKind.HSM, partition=hsm.create_partition(CALLER, world.request(), token="p").arn)
        with closing(Warehouse(WarehouseConfig(), world.services("dw"), _Hsm(hsm))) as warehouse:
            request = ClusterRequest(name="bench", node_type="ra3.large", nodes=2, database="dev", root=root)
            warehouse.create_cluster(CALLER, request, token="c")
            for number in range(tables):
                warehouse.load_table(
                    *(CALLER, "bench", f"t{number}", [world.file(2000)]),
                    backup=True,
                    progress=lambda text, done, total: None,
                    token=f"load {number}",
                )
    before = world.calls(*_CRYPTO), world.calls("C_Login")
    with (
        world.provider() as hsm,
        closing(Warehouse(WarehouseConfig(), world.services("dw"), _Hsm(hsm))) as warehouse,
    ):
        one = "SELECT count(*) AS n FROM t"
        counts = " UNION ALL ".join(f"{one}{number}" for number in range(tables))
        found = warehouse.select(CALLER, "bench", f"SELECT sum(n) FROM ({counts})").rows  # noqa: S608 - of the bench
        if found != [(2000 * tables,)]:
            raise ValueError(f"a restart reads {found}")
    return world.calls(*_CRYPTO) - before[0], world.calls("C_Login") - before[1]
