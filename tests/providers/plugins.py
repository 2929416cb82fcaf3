"""Plugins that do nothing but say how they were built, for the tests of this folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from reconciler.errors import ProviderUnavailable
from reconciler.providers.plugin import HSM, KEYS, TABLES, WAREHOUSE, Plugin, ProviderServices, Resolve


class KeysConfig(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)
    cache_size: int = Field(default=1, alias="cacheSize")


class DataConfig(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)
    key_service: str | None = Field(default=None, alias="keyService")


class NeedsSocket(BaseModel):
    model_config = ConfigDict(extra="forbid")
    socket: str


class Recorder:
    """Every instance ever made and closed, per test (see the ``plugins`` fixture)."""

    built: ClassVar[list[str]] = []
    closed: ClassVar[list[str]] = []

    def __init__(self, config: Any, services: ProviderServices, resolve: Resolve) -> None:
        self.config = config
        self.services = services
        self.resolve = resolve
        self.account = services.account
        self.region = services.region
        Recorder.built.append(services.name)

    def close(self) -> None:
        Recorder.closed.append(self.services.name)


class Keys(Recorder):
    protocol: ClassVar[str] = KEYS
    config_model: ClassVar[type[BaseModel]] = KeysConfig


class Warehouse(Recorder):
    protocol: ClassVar[str] = WAREHOUSE
    config_model: ClassVar[type[BaseModel]] = DataConfig

    def __init__(self, config: DataConfig, services: ProviderServices, resolve: Resolve) -> None:
        self.keys = resolve.key_provider(config.key_service)
        super().__init__(config, services, resolve)


class Hsm(Keys):
    protocol: ClassVar[str] = HSM


class RootedConfig(BaseModel):
    model_config = ConfigDict(extra="forbid")
    hsm: str | None = None


class Rooted(Recorder):
    """A data provider that finds its HSM."""

    protocol: ClassVar[str] = WAREHOUSE
    config_model: ClassVar[type[BaseModel]] = RootedConfig

    def __init__(self, config: RootedConfig, services: ProviderServices, resolve: Resolve) -> None:
        self.hsm = resolve.hsm_provider(config.hsm)
        super().__init__(config, services, resolve)


class Tables(Warehouse):
    protocol: ClassVar[str] = TABLES


class KeysOverWarehouse(Recorder):
    """A key service that needs a warehouse, which needs a key service."""

    protocol: ClassVar[str] = KEYS
    config_model: ClassVar[type[BaseModel]] = KeysConfig

    def __init__(self, config: Any, services: ProviderServices, resolve: Resolve) -> None:
        resolve.provider("house")
        super().__init__(config, services, resolve)


class Broken(Recorder):
    protocol: ClassVar[str] = KEYS
    config_model: ClassVar[type[BaseModel]] = NeedsSocket

    def __init__(self, config: Any, services: ProviderServices, resolve: Resolve) -> None:
        raise RuntimeError("no socket today")


class ClosesBadly(Keys):
    def close(self) -> None:
        super().close()
        raise OSError("the log could not be written")


@dataclass(frozen=True, kw_only=True)
class Declared:
    plugin: str = "keys"
    account: str = "111122223333"
    region: str = "eu-west-1"
    principal: str = "arn:aws:iam::111122223333:role/platform"
    config: Mapping[str, Any] = field(default_factory=dict)


PLUGINS: dict[str, type[Plugin]] = {
    "keys": Keys,
    "warehouse": Warehouse,
    "tables": Tables,
    "hsm": Hsm,
    "rooted": Rooted,
    "circle": KeysOverWarehouse,
    "broken": Broken,
    "closes-badly": ClosesBadly,
}


def find_plugin(name: str) -> type[Plugin]:
    if name not in PLUGINS:
        raise ProviderUnavailable(f'There is no plugin called "{name}"', suggestion="Did you mean keys?")
    return PLUGINS[name]
