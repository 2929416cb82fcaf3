"""The provider with a partition at another machine: the agent in a process of its own before SoftHSM2 (HS1–HS5)."""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from reconciler.envelope.data_key import DataKey
from reconciler.errors import HsmError, HsmFault, HsmUnavailable
from reconciler.providers.hsm import ClientCertificateRequest, PartitionDescription, PartitionRequest
from reconciler.providers.keys import KeyRequest
from reconciler.testing.fakes import ManualClock
from reconciler_pkcs11 import Pkcs11
from reconciler_pkcs11.cryptoki.constants import Attribute
from reconciler_pkcs11.tests.elsewhere import elsewhere
from reconciler_pkcs11.tests.test_agent_command import Agents
from reconciler_pkcs11.tests.tokens import Tokens
from reconciler_pkcs11.tests.worlds import CALLER, World

CEK, CONTEXT, DEK = "0123456789abcdef" * 2, {"a": "b"}, DataKey(bytes(range(32)))
EDGE = ClientCertificateRequest(name="edge", common_name="reconciler", valid_days=30)


def adopt_soon(world: World, hsm: Pkcs11, request: PartitionRequest) -> PartitionDescription:
    """The agent sees a registered certificate within seconds."""
    for _ in range(40):
        world.clock.advance(minutes=1)
        with suppress(HsmUnavailable):
            return hsm.create_partition(CALLER, request, token="p")
        time.sleep(0.2)
    return hsm.create_partition(CALLER, request, token="p")


def test_a_partition_at_another_machine_from_its_certificate_to_its_move(tmp_path: Path, tokens: Tokens) -> None:
    agents = Agents(tmp_path, tokens)
    assert agents.run("init", str(agents.home), "--name", "hsm1.example").returncode == 0
    server = (agents.home / "agent.pem").read_text()
    world = World(tmp_path, None, {}, module="none", clock=ManualClock(datetime.now(UTC)))
    hsm = world.open()
    made = hsm.create_client_certificate(CALLER, EDGE, token="c")

    def request(address: str, **more: object) -> PartitionRequest:
        named = {"server_certificate": server, "client_certificate": "edge", **more}
        return world.request("first", tokens["a"].label, tokens["a"].pin, address=address, **named)

    with agents.serving() as (_, address, _errors):
        with pytest.raises(HsmUnavailable) as told:
            hsm.create_partition(CALLER, request(address), token="p")
        assert told.value.fault is HsmFault.CLIENT_CERT_REJECTED
        assert hsm.describe_partitions(CALLER) == []
        (agents.home / "clients" / "edge.pem").write_text(made.pem)  # the operator registers it (HS9)
        partition = adopt_soon(world, hsm, request(address))
        assert (partition.address, partition.module, partition.enforced) == (address, None, True)
        hsm.create_cluster_key(CALLER, "first", CEK)
        wrapped = hsm.wrap_data_key(CALLER, "first", CEK, DEK, CONTEXT)
        key = hsm.create_key(CALLER, KeyRequest(), token="k").arn
        sealed = hsm.encrypt(CALLER, key, b"x", CONTEXT)
        strange = {"do": "create", "label": b"reconciler/x".hex(), "value": "07" * 32, "uses": [Attribute.ENCRYPT]}
        elsewhere(tokens, "a", {**strange, "id": "0301"})  # whoever shares the token cannot end its listings
        assert hsm.probe_partition(CALLER, "first").fault is None
    with pytest.raises(HsmUnavailable):
        hsm.unwrap_data_key(CALLER, "first", CEK, wrapped, CONTEXT)
    assert hsm.probe_partition(CALLER, "first").fault is HsmFault.UNREACHABLE
    world.clock.advance(minutes=1)
    with agents.serving() as (_, address, _errors):
        moved = hsm.modify_partition(CALLER, request(address))
        assert (moved.address, moved.uid) == (address, partition.uid)
        assert hsm.unwrap_data_key(CALLER, "first", CEK, wrapped, CONTEXT) == DEK
        assert hsm.decrypt(CALLER, sealed, CONTEXT).key_arn == key
        world.pin("not the PIN", "pin-first")
        for _ in range(2):
            with pytest.raises(HsmError) as refused:
                world.open().verify_partition(CALLER, "first")
            assert refused.value.fault is HsmFault.PIN_REFUSED
    names = [event["eventName"] for _, event in hsm.audit_events()]
    assert [name for name in names if name in ("HsmUnreachable", "HsmReachable")] == ["HsmUnreachable", "HsmReachable"]
    assert names.count("HsmPinRefused") == 1
    world.close()
