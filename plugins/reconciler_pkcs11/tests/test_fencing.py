"""Whoever was overtaken changes nothing, in the store or in a token (I13)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from reconciler.envelope.data_key import DataKey
from reconciler.errors import LockHeld
from reconciler.providers.hsm import ClientCertificateRequest, Verification
from reconciler.providers.keys import KeyRequest
from reconciler.testing.fence_contract import NEWEST, STALE, FenceContract, FencedWorld
from reconciler_pkcs11 import Pkcs11
from reconciler_pkcs11.tests.worlds import CALLER, PINS, World, in_memory

CEK = "0" * 32
CONTEXT = {"a": "b"}


class Calls:
    """Each call, in an order in which each works."""

    def __init__(self, hsm: Pkcs11, world: World) -> None:
        self.hsm, self.world = hsm, world
        self.key, self.sealed, self.wrapped, self.key_wrapped = "", b"", b"", b""

    def create_key(self) -> None:
        self.key = self.hsm.create_key(CALLER, KeyRequest(), token="k").key_id

    def encrypt(self) -> None:
        self.sealed = self.hsm.encrypt(CALLER, self.key, b"x", CONTEXT)

    def wrap_key(self) -> None:
        self.key_wrapped = self.hsm.wrap_key(CALLER, self.key, DataKey(bytes(32)), CONTEXT).wrapped

    def for_both(self, call: Callable[..., None]) -> None:
        for partition in ("first", "second"):
            call(CALLER, partition, CEK)

    def table(self) -> dict[str, Any]:
        hsm, world = self.hsm, self.world
        certificate = ClientCertificateRequest(name="edge", common_name="edge", valid_days=9)
        second = world.request("second", "b", PINS["b"], verify=Verification.CONNECTION_ONLY)
        return {
            "create_partition": lambda: hsm.create_partition(CALLER, world.first(), token="p"),
            "create_client_certificate": lambda: hsm.create_client_certificate(CALLER, certificate, token="c"),
            "delete_client_certificate": lambda: hsm.delete_client_certificate(CALLER, "edge"),
            "create_cluster_key": lambda: hsm.create_cluster_key(CALLER, "first", CEK),
            "modify_partition": lambda: (
                hsm.create_partition(CALLER, second, token="q"),
                hsm.modify_partition(CALLER, world.first(verify=Verification.CONNECTION_ONLY)),
            ),
            "adopt_cluster_key": lambda: hsm.adopt_cluster_key(CALLER, "second", CEK),
            "retire_cluster_key": lambda: self.for_both(hsm.retire_cluster_key),
            "destroy_cluster_key": lambda: self.for_both(hsm.destroy_cluster_key),
            "delete_partition": lambda: hsm.delete_partition(CALLER, "second"),
            "create_key": self.create_key,
            "encrypt": self.encrypt,
            "decrypt": lambda: hsm.decrypt(CALLER, self.sealed, CONTEXT),
            "re_encrypt": lambda: hsm.re_encrypt(CALLER, self.sealed, CONTEXT, self.key, {}),
            "generate_data_key": lambda: hsm.generate_data_key(CALLER, self.key, CONTEXT),
            "wrap_key": self.wrap_key,
            "unwrap_key": lambda: hsm.unwrap_key(CALLER, self.key, self.key_wrapped, CONTEXT),
            "update_key_description": lambda: hsm.update_key_description(CALLER, self.key, "new"),
            "tag_resource": lambda: hsm.tag_resource(CALLER, self.key, {"a": "b"}),
            "untag_resource": lambda: hsm.untag_resource(CALLER, self.key, ["a"]),
            "disable_key": lambda: hsm.disable_key(CALLER, self.key),
            "enable_key": lambda: hsm.enable_key(CALLER, self.key),
            "rotate_key": lambda: hsm.rotate_key(CALLER, self.key, token="r"),
            "enable_key_rotation": lambda: hsm.enable_key_rotation(CALLER, self.key, period_days=90),
            "disable_key_rotation": lambda: hsm.disable_key_rotation(CALLER, self.key),
            "schedule_key_deletion": lambda: hsm.schedule_key_deletion(CALLER, self.key, waiting_days=7),
            "cancel_key_deletion": lambda: hsm.cancel_key_deletion(CALLER, self.key),
        }

    def reads(self) -> dict[str, Any]:
        hsm = self.hsm
        return {
            "audit_events": lambda: list(hsm.audit_events()),
            "check_audit_log": hsm.check_audit_log,
            "describe_client_certificates": lambda: hsm.describe_client_certificates(CALLER),
            "describe_cluster_keys": lambda: hsm.describe_cluster_keys(CALLER),
            "describe_keys": lambda: hsm.describe_keys(CALLER, ["none"]),
            "describe_partitions": lambda: hsm.describe_partitions(CALLER),
            "due_work": lambda: hsm.due_work(CALLER, at=datetime.now(UTC)),
            "find_client_certificate": lambda: hsm.find_client_certificate(CALLER, token="c"),
            "find_key": lambda: hsm.find_key(CALLER, token="k"),
            "find_partition": lambda: hsm.find_partition(CALLER, token="p"),
            "list_keys": lambda: hsm.list_keys(CALLER),
            "probe_partition": lambda: hsm.probe_partition(CALLER, "first"),
            "verify_partition": lambda: hsm.verify_partition(CALLER, "first"),
        }


# Wrapping a DEK records nothing and changes nothing; what has expired, below; the rest is asked of the class.
ELSEWHERE = frozenset(
    {"wrap_data_key", "unwrap_data_key", "expire", "make_agent_identity", "serve_partition", "forgive"}
)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = in_memory(tmp_path)
    yield made
    made.close()


class TestPkcs11(FenceContract):
    @pytest.fixture
    def fenced(self, world: World) -> FencedWorld:
        calls = Calls(world.open(), world)
        return FencedWorld(
            provider=calls.hsm,
            writer=world.writer,
            folder=world.home,
            calls=calls.table(),
            reads=calls.reads(),
            elsewhere=ELSEWHERE,
        )


def test_an_overtaken_process_touches_no_token(world: World) -> None:
    world.writer.fence = NEWEST
    calls = Calls(world.open(), world)
    assert world.hsm is not None

    def objects() -> list[list[tuple[str, str]]]:
        assert world.hsm is not None
        return [[(key_id, each.label) for key_id, each in token.objects] for token in world.hsm.tokens.values()]

    for number, (name, call) in enumerate(calls.table().items()):
        if number:
            before = objects()
            world.writer.fence = STALE
            with pytest.raises(LockHeld):
                call()
            assert objects() == before, name
            world.writer.fence = NEWEST
        call()


def test_what_is_due_is_not_destroyed_by_an_overtaken_process(world: World) -> None:
    world.writer.fence = NEWEST
    hsm = world.adopted()
    key = hsm.create_key(CALLER, KeyRequest(), token="k")
    hsm.schedule_key_deletion(CALLER, key.key_id, waiting_days=7)
    world.clock.advance(days=8)
    world.writer.fence = STALE
    with pytest.raises(LockHeld):
        hsm.expire()
    assert len(world.token.objects) == 2
    world.writer.fence = NEWEST
    assert hsm.expire() == [key.arn]
    assert [label.split("/")[1] for label in world.token.labels()] == ["marker"]
    assert hsm.expire() == []
