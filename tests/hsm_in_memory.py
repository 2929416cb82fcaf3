"""An HSM that lives in this process: partitions, and keys of kind Key that live in them.

``token(home)`` of ``partitions_in_memory`` is the machine itself, so that a test can unplug it, wipe a partition or
take a key away. ``tests/providers/test_hsm_in_memory.py`` holds it to the contract.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, Final

from pydantic import BaseModel, ConfigDict

from reconciler.access.caller import Caller
from reconciler.envelope.canonical import encode
from reconciler.envelope.data_key import DataKey
from reconciler.envelope.seal import open_sealed, seal
from reconciler.errors import DisabledException, InvalidCiphertextException, NotFoundException
from reconciler.host.os_fs import OsFs
from reconciler.model.ports import Clock, Random
from reconciler.providers.discovery import InstalledPlugins
from reconciler.providers.keys import Context, DecryptedKey, GeneratedDataKey, KeyDescription, KeyRequest, KeyState
from reconciler.providers.plugin import HSM, Plugin, ProviderServices, Resolve
from reconciler.testing.no_other import NoOther
from tests.partitions_in_memory import Partitions, token

FIND: Final = InstalledPlugins.find
ACCOUNT: Final = "111122223333"
REGION: Final = "eu-west-1"


class NoConfig(BaseModel):
    """What its Provider manifests may say."""

    model_config = ConfigDict(extra="forbid")

    module: str | None = None


class MemoryHsm(Partitions):
    """The plugin: partitions, and keys of kind Key that live in them. No grants, policies, aliases or rotation."""

    protocol: ClassVar[str] = HSM
    config_model: ClassVar[type[BaseModel]] = NoConfig

    def __init__(self, config: BaseModel, services: ProviderServices, resolve: Resolve) -> None:
        self.account, self.region = services.account, services.region
        self._services = services
        self._token = token(services.home)

    @classmethod
    def at(cls, home: Path, clock: Clock, random: Random) -> MemoryHsm:
        """The Provider "hsm" of the tests' account, for worlds without manifests."""
        services = ProviderServices(
            name="hsm",
            account=ACCOUNT,
            region=REGION,
            principal=f"arn:aws:iam::{ACCOUNT}:role/platform",
            home=home,
            fs=OsFs(),
            clock=clock,
            random=random,
        )
        return cls(NoConfig(), services, NoOther())

    def close(self) -> None:
        """Nothing is open."""

    def create_key(self, caller: Caller, request: KeyRequest, *, token: str) -> KeyDescription:
        kept = self._token
        if token not in kept.tokens:
            partition = request.partition or next(iter(kept.partitions))
            self._reach(kept.partitions[partition])
            raw = self._services.random.bytes(16).hex()
            key_id = "-".join((raw[:8], raw[8:12], raw[12:16], raw[16:20], raw[20:]))
            now = self._services.clock.now()
            kept.tokens[token] = key_id
            kept.material["key", key_id] = DataKey(self._services.random.bytes(32))
            kept.keys[key_id] = KeyDescription(
                key_id=key_id,
                arn=f"arn:aws:kms:{self.region}:{self.account}:key/{key_id}",
                account=self.account,
                region=self.region,
                description=request.description,
                key_spec=request.key_spec,
                key_usage=request.key_usage,
                state=KeyState.ENABLED,
                multi_region=False,
                created_at=now,
                material_id=raw,
                rotated_at=now,
                tags=dict(request.tags),
                partition=partition,
            )
        return kept.keys[kept.tokens[token]]

    def find_key(self, caller: Caller, *, token: str) -> KeyDescription | None:
        return self._token.keys.get(self._token.tokens.get(token, ""))

    def describe_keys(self, caller: Caller, key_ids: Sequence[str]) -> dict[str, KeyDescription]:
        found = self._token.keys
        return {name: found[_id(name)] for name in key_ids if _id(name) in found}

    def list_keys(self, caller: Caller) -> list[KeyDescription]:
        return [found for _, found in sorted(self._token.keys.items())]

    def update_key_description(self, caller: Caller, key_id: str, description: str) -> None:
        self._change(key_id, description=description)

    def enable_key(self, caller: Caller, key_id: str) -> None:
        self._change(key_id, state=KeyState.ENABLED)

    def disable_key(self, caller: Caller, key_id: str) -> None:
        self._change(key_id, state=KeyState.DISABLED)

    def schedule_key_deletion(self, caller: Caller, key_id: str, *, waiting_days: int) -> datetime:
        goes = self._services.clock.now() + timedelta(days=waiting_days)
        self._change(key_id, state=KeyState.PENDING_DELETION, deletion_date=goes)
        return goes

    def cancel_key_deletion(self, caller: Caller, key_id: str) -> None:
        self._change(key_id, state=KeyState.DISABLED, deletion_date=None)

    def tag_resource(self, caller: Caller, key_id: str, tags: Mapping[str, str]) -> None:
        self._change(key_id, tags={**self._of(key_id).tags, **tags})

    def untag_resource(self, caller: Caller, key_id: str, tag_keys: Sequence[str]) -> None:
        left = {name: value for name, value in self._of(key_id).tags.items() if name not in tag_keys}
        self._change(key_id, tags=left)

    def generate_data_key(
        self, caller: Caller, key_id: str, context: Context, *, number_of_bytes: int = 32
    ) -> GeneratedDataKey:
        made = self._services.random.bytes(number_of_bytes)
        found = self._usable(key_id)
        wrapped = self.encrypt(caller, key_id, made, context)
        return GeneratedDataKey(
            plaintext=DataKey(made), wrapped=wrapped, key_arn=found.arn, material_id=found.material_id
        )

    def encrypt(self, caller: Caller, key_id: str, plaintext: bytes, context: Context) -> bytes:
        found = self._usable(key_id)
        key = self._token.material["key", found.key_id]
        sealed = seal(key, plaintext, encode(dict(context)), self._services.random)
        return found.key_id.encode() + b"|" + sealed

    def decrypt(
        self, caller: Caller, ciphertext: bytes, context: Context, *, key_id: str | None = None
    ) -> DecryptedKey:
        name, _, sealed = ciphertext.partition(b"|")
        if name.decode(errors="replace") not in self._token.keys or key_id not in (None, *self._names(name.decode())):
            raise InvalidCiphertextException("it does not open")
        found = self._usable(name.decode())
        opened = open_sealed(self._token.material["key", found.key_id], sealed, encode(dict(context)))
        return DecryptedKey(plaintext=DataKey(opened), key_arn=found.arn, material_id=found.material_id)

    def re_encrypt(
        self, caller: Caller, ciphertext: bytes, source_context: Context, key_id: str, context: Context
    ) -> bytes:
        with self.decrypt(caller, ciphertext, source_context).plaintext as opened:
            return self.encrypt(caller, key_id, bytes(opened.expose_key_bytes()), context)

    def _names(self, key_id: str) -> tuple[str, str]:
        return key_id, self._of(key_id).arn

    def _usable(self, key_id: str) -> KeyDescription:
        found = self._of(key_id)
        if found.state is not KeyState.ENABLED:
            raise DisabledException(f"{key_id} is {found.state}")
        self._reach(self._token.partitions[str(found.partition)])
        return found

    def _of(self, key_id: str) -> KeyDescription:
        found = self._token.keys.get(_id(key_id))
        if found is None:
            raise NotFoundException(f"there is no key {key_id}")
        return found

    def _change(self, key_id: str, **changes: Any) -> None:
        found = self._of(key_id)
        self._token.keys[found.key_id] = replace(found, **changes)


def find_plugin(plugins: InstalledPlugins, name: str) -> type[Plugin]:
    """As installed, with this HSM for the one of real tokens."""
    return MemoryHsm if name == "pkcs11" else FIND(plugins, name)


def _id(name: str) -> str:
    return name.rpartition("/")[2]
