"""A table service beside the software key service, on a folder of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from reconciler.access.caller import Caller
from reconciler.host.os_fs import OsFs
from reconciler.providers.keys import KeyProvider, KeyRequest
from reconciler.providers.plugin import ProviderServices
from reconciler.testing.fakes import ManualClock, SeededRandom
from reconciler.testing.no_other import NoOther
from reconciler.testing.table_contract import KeysWithGrants, TableWorld
from reconciler_softkms import SoftKms
from reconciler_softkms.config import SoftKmsConfig
from reconciler_tables import Tables
from reconciler_tables.config import TablesConfig
from reconciler_tables.site import Site

ACCOUNT = "111122223333"
REGION = "eu-west-1"
ADMIN = f"arn:aws:iam::{ACCOUNT}:role/admin"
USER = f"arn:aws:iam::{ACCOUNT}:user/db-lead"


class Fixed(NoOther):
    """Resolves every name to one key service."""

    def __init__(self, keys: object) -> None:
        self.keys = keys
        self.asked: list[str | None] = []

    def key_provider(self, name: str | None) -> KeyProvider:
        self.asked.append(name)
        return cast(KeyProvider, self.keys)


def services(home: Path, seed: str) -> ProviderServices:
    return ProviderServices(
        name="shop-tables",
        account=ACCOUNT,
        region=REGION,
        principal=ADMIN,
        home=home,
        fs=OsFs(),
        clock=ManualClock(),
        random=SeededRandom(seed),
    )


def soft_kms(home: Path, seed: str = "kms") -> SoftKms:
    given = services(home, seed)
    return SoftKms(SoftKmsConfig(), given, Fixed(None))


def tables_of(home: Path, keys: object, seed: str = "tables") -> Tables:
    return Tables(TablesConfig(), services(home, seed), Fixed(keys))


def site_of(tables: object) -> Site:
    """What the provider works with, for a test that looks underneath."""
    assert isinstance(tables, Tables)
    return tables._site


def admin() -> Caller:
    return Caller(principal=ADMIN, account=ACCOUNT)


@contextmanager
def opened_world(
    home: Path, policy: dict[str, Any] | None = None, caller: Caller | None = None
) -> Iterator[TableWorld]:
    """A world whose key has ``policy`` (None: the default one) and whose user is ``caller`` (None: the admin)."""
    keys = soft_kms(home)
    tables = tables_of(home, keys)
    try:
        made = [
            keys.create_key(admin(), KeyRequest(description=name, policy=policy), token=name).arn
            for name in ("key", "other key")
        ]
        yield TableWorld(
            tables=tables,
            keys=cast(KeysWithGrants, keys),
            user=caller or admin(),
            stranger=Caller(principal=f"arn:aws:iam::{ACCOUNT}:user/stranger", account=ACCOUNT),
            key=made[0],
            other_key=made[1],
        )
    finally:
        tables.close()
        keys.close()
