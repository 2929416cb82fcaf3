"""A key service that has a key of every kind that the cryptographic operations tell apart."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from reconciler.access.caller import Caller
from reconciler.host.os_fs import OsFs
from reconciler.providers.keys import KeyRequest
from reconciler.providers.plugin import ProviderServices
from reconciler.testing.fakes import ManualClock, SeededRandom
from reconciler.testing.no_other import NoOther
from reconciler_softkms import SoftKms
from reconciler_softkms.config import SoftKmsConfig
from reconciler_softkms.tests.asking import Client
from reconciler_softkms.tests.conftest import ACCOUNT, ADMINISTRATOR, REGION

KINDS: Final = {
    "symmetric": ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT"),
    "other": ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT"),
    "rsa": ("RSA_2048", "ENCRYPT_DECRYPT"),
    "rsa-signing": ("RSA_2048", "SIGN_VERIFY"),
    "p256": ("ECC_NIST_P256", "SIGN_VERIFY"),
    "p384": ("ECC_NIST_P384", "SIGN_VERIFY"),
    "p521": ("ECC_NIST_P521", "SIGN_VERIFY"),
    "k1": ("ECC_SECG_P256K1", "SIGN_VERIFY"),
    "agreeing": ("ECC_NIST_P256", "KEY_AGREEMENT"),
    "agreeing-384": ("ECC_NIST_P384", "KEY_AGREEMENT"),
    "agreeing-521": ("ECC_NIST_P521", "KEY_AGREEMENT"),
    **{f"hmac-{bits}": (f"HMAC_{bits}", "GENERATE_VERIFY_MAC") for bits in (224, 256, 384, 512)},
}


class EveryKey:
    """``arns`` by the names of KINDS; each key has the alias ``alias/NAME``, too."""

    def __init__(self, provider: SoftKms, clock: ManualClock) -> None:
        self.provider = provider
        self.clock = clock
        self.caller = Caller(principal=ADMINISTRATOR, account=ACCOUNT)
        self.client = Client(provider, self.caller)
        self.arns: dict[str, str] = {}
        for name, (spec, usage) in KINDS.items():
            made = provider.create_key(self.caller, KeyRequest(key_spec=spec, key_usage=usage), token=name)
            provider.create_alias(self.caller, f"alias/{name}", made.arn)
            self.arns[name] = made.arn

    def ask(self, operation: str, /, **members: Any) -> dict[str, Any]:
        """As the account's administrator."""
        return self.client.ask(operation, **members)

    def as_other(self, principal: str) -> Client:
        """A client that is somebody else."""
        return Client(self.provider, Caller(principal=principal, account=principal.split(":")[4]))

    def last_event(self) -> dict[str, Any]:
        """The newest record of the audit log."""
        return list(self.provider.audit_events())[-1][1]

    @contextmanager
    def in_state(self, name: str, state: str) -> Iterator[None]:
        """The key in another state, for as long as the context lasts."""
        key_id = self.arns[name].rpartition("/")[2]
        self._set(key_id, state)
        yield
        self._set(key_id, "Enabled")

    def _set(self, key_id: str, state: str) -> None:
        with self.provider._door.store.transaction() as connection:
            connection.execute("UPDATE keys SET state = ? WHERE key_id = ?", (state, key_id))


def open_provider(home: Path, clock: ManualClock, *, account: str = ACCOUNT, region: str = REGION) -> SoftKms:
    """A key service that is not the test's own to close."""
    services = ProviderServices(
        name="kms",
        account=account,
        region=region,
        principal=ADMINISTRATOR,
        home=home,
        fs=OsFs(),
        clock=clock,
        random=SeededRandom(f"{account}/{region}"),
    )
    return SoftKms(SoftKmsConfig(administrators=[ADMINISTRATOR]), services, NoOther())
