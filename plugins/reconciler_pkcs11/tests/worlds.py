"""An HSM provider over tokens in memory, or over the real ones of ``tokens``."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reconciler.access.caller import Caller
from reconciler.host.clock import SystemRandom
from reconciler.host.os_fs import OsFs
from reconciler.providers.hsm import PartitionRequest
from reconciler.providers.plugin import NativeModule, ProviderServices
from reconciler.providers.secret_source import SecretSource
from reconciler.testing.fakes import ManualClock
from reconciler.testing.fence_contract import Writer
from reconciler.testing.hsm_contract import HsmWorld
from reconciler.testing.no_other import NoOther
from reconciler_pkcs11 import Pkcs11
from reconciler_pkcs11.config import Pkcs11Config
from reconciler_pkcs11.reaching import open_partition
from reconciler_pkcs11.tests.memory_hsm import MemoryHsm, MemoryToken
from reconciler_pkcs11.tests.tokens import Tokens

ACCOUNT, REGION = "111122223333", "eu-west-1"
ADMINISTRATOR = f"arn:aws:iam::{ACCOUNT}:role/Admin"
CALLER = Caller(principal=ADMINISTRATOR, account=ACCOUNT)
PINS = {"a": "PIN-of-partition-a", "b": "PIN-of-partition-b"}
MODULE = "memory"


@dataclass
class World:
    """``folder`` is the test's own. ``hsm`` None: the real tokens of ``modules``."""

    folder: Path
    hsm: MemoryHsm | None
    modules: dict[str, NativeModule]
    module: str = MODULE
    clock: ManualClock = field(default_factory=ManualClock)
    writer: Writer = field(default_factory=Writer)
    _opened: list[Pkcs11] = field(default_factory=list)

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def store(self) -> Path:
        return self.home / "pkcs11" / ACCOUNT / REGION

    @property
    def token(self) -> MemoryToken:
        """The first partition's, in memory."""
        assert self.hsm is not None
        return self.hsm.tokens["a"]

    def open(self) -> Pkcs11:
        """The provider, as a new process opens it."""
        services = ProviderServices(
            name="hsm",
            account=ACCOUNT,
            region=REGION,
            principal=ADMINISTRATOR,
            home=self.home,
            fs=OsFs(),
            clock=self.clock,
            random=SystemRandom(),
            fence=self.writer.now,
            modules=lambda: self.modules,
        )
        opens = open_partition if self.hsm is None else self.hsm.opens
        self._opened.append(Pkcs11(Pkcs11Config(module=self.module), services, NoOther(), opens=opens))
        return self._opened[-1]

    def pin(self, text: str, name: str = "pin") -> SecretSource:
        path = self.folder / name
        path.write_text(f"{text}\n")
        path.chmod(0o600)
        return SecretSource(file=str(path))

    def request(self, name: str, label: str, pin: str, **more: Any) -> PartitionRequest:
        return PartitionRequest(name=name, token_label=label, pin_from=self.pin(pin, f"pin-{name}"), **more)

    def first(self, **more: Any) -> PartitionRequest:
        return self.request("first", "a", PINS["a"], **more)

    def adopted(self, **more: Any) -> Pkcs11:
        """A provider with the first partition."""
        made = self.open()
        made.create_partition(CALLER, self.first(**more), token="adopt")
        return made

    def close(self) -> None:
        while self._opened:
            self._opened.pop().close()


def in_memory(folder: Path) -> World:
    tokens = {label: MemoryToken(label, pin) for label, pin in PINS.items()}
    here = {MODULE: NativeModule(path=Path("/none.so"), environment={})}
    return World(folder, MemoryHsm(tokens), here)


def on_tokens(folder: Path, tokens: Tokens) -> World:
    return World(folder, None, dict(tokens.modules), module="softhsm")


def contract_world(world: World, first: PartitionRequest, second: PartitionRequest) -> HsmWorld:
    """As the contract suites want it."""
    return HsmWorld(
        provider=world.open(),
        caller=CALLER,
        first=first,
        second=second,
        nowhere=world.request("away", "no-such-token", PINS["a"]),
        wrong_pin=PartitionRequest(
            name="wrong", token_label=first.token_label, pin_from=world.pin("wrong-PIN-of-it", "wrong")
        ),
        reopened=world.open,
        secrets=("PIN-of", "wrong-PIN"),
    )
