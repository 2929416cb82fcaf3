"""A key goes only when nothing rests on it, whoever knows of it: the key service's own grants tell of what the
manifests at hand do not (I3)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from reconciler.access.caller import Caller
from reconciler.commands.context import Globals
from reconciler.commands.session import Session
from reconciler.errors import ReconcilerError
from reconciler.model.address import Address
from reconciler.providers.keys import KeyState
from reconciler.providers.typed import key_provider
from reconciler.testing.fakes import SeededRandom
from tests.world import World, document, provider

FREE = "{preventDestroy: false}"


@dataclass
class SharingWorld(World):
    """A project whose home is another project's as well."""

    home: Path = Path()

    def session(self) -> Session:
        (self.folder / "reconciler.yaml").write_text("")
        flags = Globals(directory=str(self.folder), home=str(self.home))
        return Session(flags, fs=self.fs, clock=self.clock, random=self.random)


def key_arn(world: World) -> str:
    with world.session() as session:
        return str(session.attributes(Address("Key/orders"))["arn"])


def state_of(world: World, arn: str) -> KeyState:
    with world.session() as session:
        keys = key_provider(session, "kms")
        caller = Caller(principal=session.principal("kms"), account="111122223333")
        return keys.describe_keys(caller, [arn])[arn].state


@pytest.mark.parametrize(
    "user",
    [
        provider("shop", "warehouse") + document("Cluster", "c", provider="shop", encryption="{key: {arn: THE_KEY}}"),
        provider("shop", "tables")
        + document("Keyspace", "ks", provider="shop")
        + document(
            "Table",
            "t",
            provider="shop",
            keyspace="ks",
            schema="{columns: [{name: id, type: int}], partitionKey: [id]}",
            encryption="{type: CUSTOMER_MANAGED_KMS_KEY, key: {arn: THE_KEY}}",
        ),
    ],
    ids=["cluster", "table"],
)
def test_a_key_that_another_projects_data_are_under_is_not_deleted(tmp_path: Path, user: str) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "data").mkdir()
    keys = SharingWorld(tmp_path / "keys", home=tmp_path / "home")
    keys.declare(provider() + document("Key", "orders", lifecycle=FREE))
    keys.apply()
    arn = key_arn(keys)
    data = SharingWorld(tmp_path / "data", home=tmp_path / "home", random=SeededRandom("data"))
    data.declare(provider() + user.replace("THE_KEY", arn))
    data.apply()
    keys.declare(provider())
    with pytest.raises(ReconcilerError):
        keys.apply()
    assert state_of(keys, arn) is KeyState.ENABLED


def test_a_key_that_nothing_rests_on_is(tmp_path: Path) -> None:
    world = SharingWorld(tmp_path, home=tmp_path / "home")
    world.declare(provider() + document("Key", "orders", lifecycle=FREE))
    world.apply()
    arn = key_arn(world)
    world.declare(provider())
    world.apply()
    assert state_of(world, arn) is KeyState.PENDING_DELETION
