"""The plugin does what every provider of HSM partitions must do: over tokens in memory, and over SoftHSM2."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.testing.hsm_contract import ClusterKeysContract, HsmProviderContract, HsmWorld
from reconciler_pkcs11.tests.tokens import Tokens
from reconciler_pkcs11.tests.worlds import PINS, contract_world, in_memory, on_tokens


class TestInMemory(HsmProviderContract, ClusterKeysContract):
    @pytest.fixture
    def hsm(self, tmp_path: Path) -> Iterator[HsmWorld]:
        world = in_memory(tmp_path)
        yield contract_world(world, world.first(), world.request("second", "b", PINS["b"]))
        world.close()
        assert world.hsm is not None
        assert world.hsm.still_open() == 0


class TestOnSoftHsm(HsmProviderContract, ClusterKeysContract):
    @pytest.fixture
    def hsm(self, tmp_path: Path, tokens: Tokens) -> Iterator[HsmWorld]:
        world = on_tokens(tmp_path, tokens)
        a, b = tokens["a"], tokens["b"]
        yield contract_world(world, world.request("first", a.label, a.pin), world.request("second", b.label, b.pin))
        world.close()
