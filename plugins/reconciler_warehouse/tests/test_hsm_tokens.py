"""The same on real tokens: SoftHSM2 behind the pkcs11 plugin, each partition in a worker process of its own.

``test_hsm_roots`` and its neighbours say what must hold; here is that it does when nothing is a fake.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import pytest

from reconciler.access.caller import Caller
from reconciler.envelope.data_key import DataKey
from reconciler.errors import HsmError, HsmUnavailable
from reconciler.providers.data import Root, RootKind
from reconciler.providers.hsm import Context, PartitionRequest, Verification
from reconciler.providers.secret_source import SecretSource
from reconciler.testing.hsm_roots_contract import HsmRootsContract, HsmRootsWorld
from reconciler.testing.no_other import NoOther
from reconciler.testing.quick_folder import tmp_path
from reconciler_pkcs11 import Pkcs11
from reconciler_pkcs11.config import Pkcs11Config
from reconciler_pkcs11.tests.tokens import Tokens, made_tokens, tokens
from reconciler_warehouse.tests.hsm_worlds import ALL, COUNT, Looks, arn, described, loaded, modify, rotate
from reconciler_warehouse.tests.test_contract import parts
from reconciler_warehouse.tests.worlds import HERE, NONE, OWNED, World

__all__ = ["made_tokens", "tmp_path", "tokens"]


@dataclass
class Vault:
    """A world whose HSM is real. ``asked`` are the operations that wrap and unwrap."""

    world: World
    tokens: Tokens
    asked: list[str] = field(default_factory=list)

    def open(self) -> None:
        """A process that knows nothing yet."""
        self.close()
        services = replace(self.world._services("hsm", HERE, self.world.fs), modules=lambda: self.tokens.modules)
        made = _Counting(Pkcs11Config(module="softhsm"), services, NoOther())
        made.asked = self.asked
        self.world.other_hsm = made

    def close(self) -> None:
        self.world.reopen()
        if isinstance(self.world.other_hsm, _Counting):
            self.world.other_hsm.close()

    def unplug(self) -> None:
        """Somebody takes the token's files away."""
        folder = self.tokens.folder
        shutil.move(folder / "softhsm", folder / "away")
        self.open()

    def plug_in(self) -> None:
        """And puts them back."""
        folder = self.tokens.folder
        shutil.move(folder / "away", folder / "softhsm")
        self.open()

    def partition(self, name: str, verify: Verification = Verification.FULL) -> Root:
        token = self.tokens[name]
        request = PartitionRequest(
            name=name, pin_from=SecretSource(file=str(token.pin_file)), token_label=token.label, verify=verify
        )
        assert self.world.other_hsm is not None
        made = self.world.other_hsm.create_partition(self.world.caller, request, token=f"partition/{name}")
        return Root(kind=RootKind.HSM, partition=made.arn)


class _Counting(Pkcs11):
    """The provider itself, with a list of what its tokens are asked for."""

    asked: list[str]

    def wrap_data_key(self, caller: Caller, partition: str, key_id: str, key: DataKey, context: Context) -> bytes:
        self.asked.append("wrap")
        return super().wrap_data_key(caller, partition, key_id, key, context)

    def unwrap_data_key(self, caller: Caller, partition: str, key_id: str, wrapped: bytes, context: Context) -> DataKey:
        self.asked.append("unwrap")
        return super().unwrap_data_key(caller, partition, key_id, wrapped, context)


@pytest.fixture(name="vault")
def real_vault(world: World, tokens: Tokens) -> Iterator[Vault]:  # pytest's way of naming a fixture
    made = Vault(world=world, tokens=tokens)
    made.open()
    yield made
    made.close()


class TestHsmRootsInTokens(HsmRootsContract):
    @pytest.fixture(name="world")
    def contract_world(self, vault: Vault) -> HsmRootsWorld:
        both = [arn(vault.partition(name)) for name in ("a", "b")]
        assert isinstance(vault.world.other_hsm, Pkcs11)
        return HsmRootsWorld(
            **parts(vault.world),
            hsm=vault.world.other_hsm,
            partition=both[0],
            other_partition=both[1],
            unplug=vault.unplug,
            plug_in=vault.plug_in,
        )


def test_a_cluster_lives_in_a_token_through_restarts_rotations_and_moves(vault: Vault) -> None:
    world, first, second = vault.world, vault.partition("a"), vault.partition("b")
    loaded(world, first)
    vault.open()
    vault.asked.clear()
    assert world.select(COUNT) == ALL
    assert vault.asked == ["unwrap"]  # a restart is one operation of the token
    rotate(world)
    assert modify(world, second, "move").root == second
    vault.open()
    assert world.select(COUNT) == ALL
    checks = list(world.warehouse().prove_cluster(world.caller, "sales", second, Looks()))
    assert [check.failure for check in checks if check.failure] == []
    retired = [one.key_id for one in world.warehouse().retired_cluster_keys()]
    assert len(retired) == 3  # the cluster's two in a, its snapshot's one
    assert world.warehouse().destroy_retired_cluster_keys(world.caller, retired) == sorted(retired)
    assert world.select(COUNT) == ALL


def test_into_the_token_and_out_of_it(vault: Vault) -> None:
    world, root = vault.world, vault.partition("a")
    loaded(world, world.key("k1"))
    for number, target in enumerate((root, world.key("k1"), root, OWNED, root, NONE, root)):
        assert modify(world, target, f"step-{number}").root == target
        assert world.select(COUNT) == ALL


def test_a_token_that_is_gone_and_comes_back(vault: Vault) -> None:
    world, root = vault.world, vault.partition("a")
    loaded(world, root)
    vault.unplug()
    with pytest.raises(HsmError, match="Cluster sales cannot be opened"):
        world.select(COUNT)
    with pytest.raises(HsmError, match="incompatible-hsm"):
        world.create(root, "more", "more")
    vault.plug_in()
    assert world.select(COUNT) == ALL
    assert world.create(root, "more", "again").status == "available"


def test_keys_that_nobody_replicated_are_missed_at_the_restart(vault: Vault) -> None:
    world = vault.world
    loaded(world, vault.partition("a"))
    second = vault.partition("b", Verification.CONNECTION_ONLY)
    modify(world, second)
    assert not described(world).keys_verified
    with pytest.raises(HsmError, match="Cluster sales cannot be opened") as missed:
        world.select(COUNT)
    assert not isinstance(missed.value, HsmUnavailable)
    assert "verify: connection-only" in str(missed.value.suggestion)
