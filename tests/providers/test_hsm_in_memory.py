"""The HSM that the scenarios and the commands' tests rest on does what every provider of HSM partitions must do."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.access.caller import Caller
from reconciler.errors import HsmFault
from reconciler.host.clock import SystemRandom
from reconciler.host.os_fs import OsFs
from reconciler.providers.hsm import PartitionRequest
from reconciler.providers.plugin import ProviderServices
from reconciler.providers.secret_source import SecretSource
from reconciler.testing.fakes import ManualClock
from reconciler.testing.hsm_contract import ClusterKeysContract, HsmProviderContract, HsmWorld
from reconciler.testing.no_other import NoOther
from tests.hsm_in_memory import MemoryHsm, NoConfig
from tests.partitions_in_memory import token

ACCOUNT = "111122223333"
PRINCIPAL = f"arn:aws:iam::{ACCOUNT}:role/Admin"


class TestInMemory(HsmProviderContract, ClusterKeysContract):
    @pytest.fixture
    def hsm(self, tmp_path: Path) -> HsmWorld:
        clock = ManualClock()

        def opened() -> MemoryHsm:
            services = ProviderServices(
                name="hsm",
                account=ACCOUNT,
                region="eu-west-1",
                principal=PRINCIPAL,
                home=tmp_path,
                fs=OsFs(),
                clock=clock,
                random=SystemRandom(),
            )
            return MemoryHsm(NoConfig(), services, NoOther())

        def request(name: str, label: str) -> PartitionRequest:
            return PartitionRequest(name=name, token_label=label, pin_from=SecretSource(file="/pin"))

        token(tmp_path).others = ("a", "b")
        token(tmp_path).faults.update({"nowhere": HsmFault.UNREACHABLE, "locked": HsmFault.PIN_REFUSED})
        return HsmWorld(
            provider=opened(),
            caller=Caller(principal=PRINCIPAL, account=ACCOUNT),
            first=request("first", "a"),
            second=request("second", "b"),
            nowhere=request("away", "nowhere"),
            wrong_pin=request("wrong", "locked"),
            reopened=opened,
        )
