"""What every part of one table service works with: who it is, its two stores, its key service."""

from __future__ import annotations

import json
from typing import Final

from reconciler.access.caller import Caller
from reconciler.host.store import Store
from reconciler.model.ports import Clock, Random
from reconciler.providers.keys import KeyProvider
from reconciler.providers.plugin import ProviderServices, Resolve
from reconciler_tables import catalogue, keyring
from reconciler_tables.names import TableName, encryption_context, service_principal, table_arn

_CATALOGUE_ID: Final = 0x52544301  # "RTC", 1
_KEYRING_ID: Final = 0x52544B01  # "RTK", 1


class Site:
    """One table service on disk, below ``home/tables/<account>/<region>``. Making one touches nothing.

    ``tables.db`` is the catalogue with the sealed rows; ``keyring.db``, apart from it, holds what opens them.
    """

    def __init__(self, services: ProviderServices, resolve: Resolve, key_service: str | None) -> None:
        self.account = services.account
        self.region = services.region
        self.provider_name = services.name
        self.clock: Clock = services.clock
        self.random: Random = services.random
        folder = services.home / "tables" / services.account / services.region
        self.catalogue = Store(
            folder / "tables.db",
            what="catalogue of tables",
            schema=catalogue.SCHEMA,
            format_number=catalogue.FORMAT,
            application_id=_CATALOGUE_ID,
            who_writes=services.fence,
        )
        self.keyring = Store(
            folder / "keyring.db",
            what="key ring of tables",
            schema=keyring.SCHEMA,
            format_number=keyring.FORMAT,
            application_id=_KEYRING_ID,
            who_writes=services.fence,
        )
        self.keyless: frozenset[str] | None = None  # tables found without their key, None: not looked yet
        self._resolve = resolve
        self._key_service = key_service

    @property
    def keys(self) -> KeyProvider:
        """The key service; asked for when first needed, so that describing needs none."""
        return self._resolve.key_provider(self._key_service)

    @property
    def service(self) -> str:
        """The table service's principal."""
        return service_principal(self.region)

    def on_behalf_of(self, caller: Caller) -> Caller:
        """The caller, with the table service acting for it: who describes a key and makes a grant (AU3)."""
        return caller.via(self.service)

    def itself(self, grant_token: str | None = None) -> Caller:
        """The table service on nobody's behalf: who generates and opens table keys, from its grant (KS5, AU3).
        ``grant_token`` lets a grant count that was made a moment ago."""
        tokens = () if grant_token is None else (grant_token,)
        return Caller(principal=self.service, account=self.account, grant_tokens=tokens)

    def context(self, name: TableName) -> dict[str, str]:
        """The table's encryption context (KS6)."""
        return encryption_context(self.account, name)

    def arn(self, name: TableName) -> str:
        """The table's ARN."""
        return table_arn(self.region, self.account, name)

    def uid(self) -> str:
        """A name that was never used and says nothing: 128 random bits in hex."""
        return self.random.bytes(16).hex()

    def now(self) -> str:
        """Now, as the stores spell it."""
        return self.clock.now().isoformat()

    def raise_fence(self) -> None:
        """See ``Fenced.raise_fence``."""
        self.catalogue.raise_fence()
        self.keyring.raise_fence()

    def close(self) -> None:
        """Give the connections back."""
        self.catalogue.close()
        self.keyring.close()


def dumps(value: object) -> str:
    """JSON as the stores keep it: sorted, compact."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
