"""Key services of one home under each kind of seal, for tests of the store as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from reconciler.access.caller import Caller
from reconciler.envelope.data_key import DataKey
from reconciler.host.os_fs import OsFs
from reconciler.model.ports import Fs
from reconciler.providers.config import validated_config
from reconciler.providers.key_wrapping import WrappedKey
from reconciler.providers.keys import GrantRequest, KeyRequest
from reconciler.providers.marks import Mark
from reconciler.providers.plugin import ProviderServices
from reconciler.testing.fakes import ManualClock, SeededRandom
from reconciler.testing.no_other import NoOther
from reconciler_softkms import SoftKms
from reconciler_softkms.config import SoftKmsConfig
from reconciler_softkms.tests.conftest import ACCOUNT, ADMINISTRATOR, REGION

PASSPHRASE = "correct horse battery staple"  # noqa: S105  # of a test
ROOT_REGION = "eu-central-1"
CALLER = Caller(principal=ADMINISTRATOR, account=ACCOUNT)
MARK = Mark(token=3, serial=7, head="h")


class Estate(NoOther):
    """A home, and passphrases in private files beside it. What is opened is closed with ``close``."""

    def __init__(self, folder: Path, clock: ManualClock | None = None) -> None:
        self.home = folder / "home"
        self.folder = folder
        self.clock = clock or ManualClock()
        self.root_key = ""
        self.unwrapped = 0
        self._opened: list[SoftKms] = []
        self._seeds = 0

    @property
    def store(self) -> Path:
        return self.home / "softkms" / ACCOUNT / REGION

    def passphrase(self, text: str = PASSPHRASE, name: str = "passphrase", mode: int = 0o600) -> Path:
        path = self.folder / name
        path.write_text(text + "\n")
        path.chmod(mode)
        return path

    def declared(self, seal: str) -> dict[str, Any]:
        """``config`` of a Provider that is sealed so."""
        if seal == "passphrase":
            source = self.folder / "passphrase"
            if not source.exists():
                self.passphrase()
            return {"seal": {"passphraseFrom": {"file": str(source)}, "memoryMib": "8"}}
        if seal == "key":
            if not self.root_key:
                root = self.open(region=ROOT_REGION, name="root")
                self.root_key = root.create_key(CALLER, KeyRequest(), token="root").key_id
            return {"seal": {"key": f"root/{self.root_key}"}}
        return {}

    def open(
        self,
        seal: str = "file",
        *,
        config: Mapping[str, Any] | None = None,
        region: str = REGION,
        name: str = "kms",
        fs: Fs | None = None,
        commands: frozenset[tuple[str, ...]] = frozenset(),
        home: Path | None = None,
    ) -> SoftKms:
        """A key service, as a new process would open it."""
        self._seeds += 1
        services = ProviderServices(
            name=name,
            account=ACCOUNT,
            region=region,
            principal=ADMINISTRATOR,
            home=home or self.home,
            fs=fs or OsFs(),
            clock=self.clock,
            random=SeededRandom(f"{self.folder}/{self._seeds}"),
            commands=lambda: commands,
        )
        said = validated_config(
            SoftKmsConfig, self.declared(seal) if config is None else config, address=f"Provider/{name}"
        )
        self._opened.append(SoftKms(said, services, self))
        return self._opened[-1]

    def provider(self, name: str) -> object:
        """See ``Resolve``: the key service whose key seals the other's store."""
        assert name == "root"
        return Counting(self, self.open(region=ROOT_REGION, name="root"))

    def close(self) -> None:
        while self._opened:
            self._opened.pop().close()


class Counting:
    """A key service that wraps keys for others, as a stranger's plugin would: by that protocol alone."""

    def __init__(self, estate: Estate, root: SoftKms) -> None:
        self._estate = estate
        self._root = root

    def wrap_key(self, caller: Caller, key_id: str, key: DataKey, context: Mapping[str, str]) -> WrappedKey:
        return self._root.wrap_key(caller, key_id, key, context)

    def unwrap_key(self, caller: Caller, key_id: str, wrapped: bytes, context: Mapping[str, str]) -> DataKey:
        self._estate.unwrapped += 1
        return self._root.unwrap_key(caller, key_id, wrapped, context)


def text_of(kms: SoftKms, sealed: bytes) -> bytes:
    """What that ciphertext opens to."""
    return bytes(kms.decrypt(CALLER, sealed, {}).plaintext.expose_key_bytes())


class Filled:
    """Keys with old and new material, a grant's token, a mark: what a store keeps and hands out."""

    def __init__(self, estate: Estate, kind: str, keys: int = 2) -> None:
        kms = estate.open(kind)
        self.keys = [kms.create_key(CALLER, KeyRequest(), token=f"k{n}").arn for n in range(keys)]
        self.old = [kms.encrypt(CALLER, key, b"old", {}) for key in self.keys]
        kms.rotate_key(CALLER, self.keys[0], token="r")
        self.new = kms.encrypt(CALLER, self.keys[0], b"new", {})
        request = GrantRequest(key_id=self.keys[0], grantee_principal="x.amazonaws.com", operations=("Decrypt",))
        self.token = kms.create_grant(CALLER, request).grant_token
        kms.raise_mark("lineage", MARK)
        kms.close()

    def is_whole(self, kms: SoftKms) -> None:
        assert [text_of(kms, sealed) for sealed in self.old] == [b"old"] * len(self.old)
        assert text_of(kms, self.new) == b"new"
        assert kms.mark("lineage") == MARK
        assert kms.encrypt(replace(CALLER, grant_tokens=(self.token,)), self.keys[0], b"x", {})
        assert kms.check_audit_log().broken is None
