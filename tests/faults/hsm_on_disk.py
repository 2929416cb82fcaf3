"""An HSM whose token is a file below the home: it goes with a copy of the world, and a kill of our process is none of
its. Real AES-GCM under keys that it hands to nobody (``reconciler_warehouse.tests.token_fake``)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from reconciler.access.caller import Caller
from reconciler.errors import ConflictException
from reconciler.providers.discovery import InstalledPlugins
from reconciler.providers.hsm import PartitionDescription, PartitionRequest
from reconciler.providers.keys import KeyDescription
from reconciler.providers.plugin import HSM, Plugin, ProviderServices, Resolve
from reconciler.providers.secret_source import SecretSource
from reconciler_warehouse.tests.token_fake import TokenFake

FIND = InstalledPlugins.find


class NoConfig(BaseModel):
    """What its Provider manifests may say: nothing."""

    model_config = ConfigDict(extra="forbid")


class HsmOnDisk(TokenFake):
    """As a plugin."""

    protocol: ClassVar[str] = HSM
    config_model: ClassVar[type[BaseModel]] = NoConfig

    def __init__(self, config: BaseModel, services: ProviderServices, resolve: Resolve) -> None:
        del config, resolve
        # A power loss of ours spares it: its name ends as those of stores do.
        path = services.home / "pkcs11" / services.account / services.region / "token.db.json"
        super().__init__(path, services.account, services.region)

    def close(self) -> None:
        """Nothing is open."""

    def create_partition(self, caller: Caller, request: PartitionRequest, *, token: str) -> PartitionDescription:
        """See ``HsmProvider``."""
        arn = self.partition(request.name)
        kept = self._kept()
        kept.setdefault("asked", {})[arn] = {"token": token, "label": request.token_label}
        self._keep(kept)
        return self._described(arn)

    def find_partition(self, caller: Caller, *, token: str) -> PartitionDescription | None:
        """See ``HsmProvider``."""
        asked = self._kept().get("asked", {})
        return next((self._described(arn) for arn, one in asked.items() if one["token"] == token), None)

    def delete_partition(self, caller: Caller, name: str) -> None:
        """See ``HsmProvider``."""
        kept = self._kept()
        arn = self.partition(name)
        if any(record.startswith(arn) for record in kept["records"]):
            raise ConflictException(f"a cluster key of {name} is there")
        self.remove(arn)

    def list_keys(self, caller: Caller) -> list[KeyDescription]:
        """See ``KeyProvider``: there are none."""
        return []

    def describe_keys(self, caller: Caller, key_ids: Collection[str]) -> dict[str, KeyDescription]:
        """See ``KeyProvider``: there are none."""
        return {}

    def keys_by_partition(self) -> dict[str, tuple[int, int]]:
        """How many cluster keys each partition has, and how many of them are retired."""
        kept = self._kept()
        return {
            arn.rpartition(":")[2]: (
                len(objects),
                sum(record["retired"] for name, record in kept["records"].items() if name.startswith(arn)),
            )
            for arn, objects in kept["tokens"].items()
        }

    def _described(self, arn: str) -> PartitionDescription:
        asked = self._kept().get("asked", {}).get(arn, {})
        return replace(super()._described(arn), token_label=asked.get("label"), pin_from=SecretSource(fd=3))


def find_plugin(plugins: InstalledPlugins, name: str) -> type[Plugin]:
    """As installed, with this HSM for the one of real tokens."""
    return HsmOnDisk if name == "pkcs11" else FIND(plugins, name)
