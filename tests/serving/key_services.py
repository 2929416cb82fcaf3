"""A key service that remembers what it was asked, and a pool that has it for every place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel

from reconciler.access.caller import Caller
from reconciler.errors import NotFoundException
from reconciler.host.clock import SystemClock, SystemRandom
from reconciler.host.os_fs import OsFs
from reconciler.model.ports import Fs
from reconciler.providers.plugin import KEYS, Plugin, ProviderServices, Resolve
from reconciler.providers.pool import Declaration, ProviderPool
from reconciler.serving.credentials import Credentials
from reconciler.serving.key_services import KeyServices

Operation = Callable[[Caller, Mapping[str, Any]], dict[str, Any]]


class Config(BaseModel):
    administrators: list[str] = []


class Remembering:
    """Answers with where it is; ``asked`` has everything that it was asked, of all places."""

    protocol: ClassVar[str] = KEYS
    config_model: ClassVar[type[BaseModel]] = Config
    asked: ClassVar[list[tuple[str, Caller, Mapping[str, Any]]]] = []
    built: ClassVar[list[tuple[str, str, tuple[str, ...]]]] = []
    more: ClassVar[dict[str, Operation]] = {}
    operations: ClassVar[frozenset[str]] = frozenset({"ListKeys", "CreateKey", "DescribeKey", "Where"})

    def __init__(self, config: BaseModel, services: ProviderServices, resolve: Resolve) -> None:
        assert isinstance(config, Config)
        self.place = f"{services.name}: {services.account} {services.region}"
        self.built.append((services.account, services.region, tuple(config.administrators)))

    def answer(self, caller: Caller, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        self.asked.append((operation, caller, request))
        if operation in self.more:
            return self.more[operation](caller, request)
        if operation == "DescribeKey":
            raise NotFoundException("no such key")
        return {"Place": self.place}

    def check_readiness(self) -> None:
        if "check" in self.more:
            self.more["check"](Caller(principal="", account=""), {})

    def close(self) -> None: ...


def find(name: str) -> type[Plugin]:
    assert name in {"softkms", "remembering"}
    return Remembering


def services(
    credentials: Credentials, home: Path, declared: Mapping[str, Declaration] | None = None, *, fs: Fs | None = None
) -> KeyServices:
    Remembering.asked.clear()
    Remembering.built.clear()
    Remembering.more.clear()

    def pool(declarations: Mapping[str, Declaration]) -> ProviderPool:
        return ProviderPool(declarations, find, home=home, fs=OsFs(), clock=SystemClock(), random=SystemRandom())

    return KeyServices(declared or {}, pool, credentials, fs=fs or OsFs(), home=home)
