"""What lies on disk: the seal, the sealed private keys, the chained log, the record of refused PINs."""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_der_private_key

from reconciler.audit.query import AuditQuery
from reconciler.envelope.data_key import DataKey
from reconciler.errors import ConflictException, DamagedStore, HsmUnavailable, NewerFormat
from reconciler.providers.hsm import ClientCertificateRequest
from reconciler.providers.keys import KeyRequest
from reconciler.testing.fence_contract import kept
from reconciler.testing.query_plans import begun_by, scans
from reconciler_pkcs11.certificates import Side, belongs, make_key_pair, read_certificate
from reconciler_pkcs11.partition import Partition
from reconciler_pkcs11.reaching import Way
from reconciler_pkcs11.tests.memory_hsm import MemoryPartition
from reconciler_pkcs11.tests.worlds import CALLER, World, in_memory

EDGE = ClientCertificateRequest(name="edge", common_name="reconciler", valid_days=30)
OTHER = ClientCertificateRequest(name="other", common_name="reconciler", valid_days=30)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = in_memory(tmp_path)
    yield made
    made.close()


def linked(world: World, ways: list[Way]) -> Callable[[Way, Callable[[], bytearray]], Partition]:
    """Reaches the first partition through an address, and keeps the way."""
    assert world.hsm is not None
    inner = world.hsm.opens

    def opens(way: Way, pin: Callable[[], bytearray]) -> MemoryPartition:
        assert way.client is not None
        assert belongs(way.client.private, way.client.certificate)
        load_der_private_key(bytes(way.client.private.expose_key_bytes()), None)
        ways.append(way)
        return inner(way, pin)

    return opens


def test_a_private_key_is_kept_sealed_opened_for_the_link_and_wiped(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HS4."""
    ways: list[Way] = []
    assert world.hsm is not None
    monkeypatch.setattr(world.hsm, "opens", linked(world, ways))
    hsm = world.open()
    made = hsm.create_client_certificate(CALLER, EDGE, token="c")
    private, server = make_key_pair("hsm", Side.SERVER, valid_days=9, now=world.clock.now(), random=hsm._site.random)
    private.wipe()
    request = world.first(address="hsm.example:8711", server_certificate=server.pem, client_certificate="edge")
    partition = hsm.create_partition(CALLER, request, token="p")
    assert (partition.server_fingerprint, partition.module) == (server.fingerprint, None)
    assert hsm.describe_client_certificates(CALLER)[0].used_by == ("first",)
    with pytest.raises(ConflictException, match="used by the HSM configuration first"):
        hsm.delete_client_certificate(CALLER, "edge")
    (way,) = ways
    assert way.client is not None
    assert way.client.certificate == read_certificate(made.pem, "it")
    with pytest.raises(ValueError, match="was wiped"):
        way.client.private.expose_key_bytes()
    kept = b"".join(path.read_bytes() for path in world.home.rglob("*") if path.is_file())
    assert b"PRIVATE KEY" not in kept
    hsm.delete_partition(CALLER, "first")
    hsm.delete_client_certificate(CALLER, "edge")
    assert hsm.describe_client_certificates(CALLER) == []


def test_everything_is_private(world: World) -> None:
    world.adopted()
    world.pin("wrong", "pin-first")
    world.close()
    for path in world.home.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def _flip(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[30] ^= 1
    path.write_bytes(raw)


def _newer(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:7] + b"\x02" + path.read_bytes()[8:])


SPOILT: dict[str, tuple[Callable[[Path], object], type[Exception], str]] = {
    "missing": (Path.unlink, DamagedStore, "is missing"),
    "cut off": (_cut, DamagedStore, "is damaged"),
    "a flipped bit": (_flip, DamagedStore, "is damaged"),
    "of a newer version": (_newer, NewerFormat, "knows up to 1"),
}


@pytest.mark.parametrize("how", SPOILT)
def test_a_seal_that_is_not_what_was_written_is_one_error_and_never_a_new_one(world: World, how: str) -> None:
    spoil, error, words = SPOILT[how]
    world.open().create_client_certificate(CALLER, EDGE, token="c")
    path = world.store / "seal.key"
    spoil(path)
    left = path.read_bytes() if path.exists() else None
    with pytest.raises(error, match=words):
        world.open().create_client_certificate(CALLER, OTHER, token="d")
    assert (path.read_bytes() if path.exists() else None) == left
    assert len(world.open().describe_client_certificates(CALLER)) == 1, "looking needs no seal"


def test_another_stores_seal_opens_nothing(world: World, tmp_path: Path) -> None:
    world.open().create_client_certificate(CALLER, EDGE, token="c")
    other = in_memory(tmp_path / "other")
    other.folder.mkdir()
    other.open().create_client_certificate(CALLER, EDGE, token="c")
    other.close()
    (world.store / "seal.key").write_bytes((other.store / "seal.key").read_bytes())
    with pytest.raises(DamagedStore, match="belongs to another HSM store"):
        world.open().create_client_certificate(CALLER, OTHER, token="d")


SPOILT_LOGS = {
    "changed": ("UPDATE event SET said = replace(said, 'edge', 'other') WHERE serial = 1", 1),
    "taken out": ("DELETE FROM event WHERE serial = 2", 2),
    "cut off": ("DELETE FROM event WHERE serial = (SELECT max(serial) FROM event)", 3),
    "all of it": ("DELETE FROM event", 1),
    "with its end": ("DELETE FROM event_head", 4),
}


@pytest.mark.parametrize("how", SPOILT_LOGS)
def test_a_log_that_is_not_what_was_written_shows_and_goes_on(world: World, how: str) -> None:
    hsm = world.open()
    hsm.create_client_certificate(CALLER, EDGE, token="c")
    hsm.create_partition(CALLER, world.first(), token="p")
    hsm.create_key(CALLER, KeyRequest(), token="k")
    assert hsm.check_audit_log().records == 3
    world.close()
    statement, at = SPOILT_LOGS[how]
    with closing(sqlite3.connect(world.store / "hsm.db")) as connection:
        connection.execute(statement)
        connection.commit()
    hsm = world.open()
    broken = hsm.check_audit_log().broken
    assert broken is not None
    assert broken.serial == at
    hsm.create_key(CALLER, KeyRequest(), token="after")
    names = [event["eventName"] for _, event in hsm.audit_events()]
    assert names[-1] == "CreateKey"
    if how in ("cut off", "all of it", "with its end"):
        assert "ReportAuditBreak" in names
    assert hsm.check_audit_log().broken is not None, "it stays told"


def test_what_happens_to_partitions_and_keys_is_told(world: World) -> None:
    """HS7."""
    hsm = world.adopted()
    key_id = "0" * 32
    hsm.create_cluster_key(CALLER, "first", key_id)
    hsm.wrap_data_key(CALLER, "first", key_id, DataKey(bytes(32)), {})
    hsm.retire_cluster_key(CALLER, "first", key_id)
    hsm.destroy_cluster_key(CALLER, "first", key_id)
    found = list(hsm.audit_events())
    names = ["CreateHsmConfiguration", "GenerateHsmKey", "RetireHsmKey", "DestroyHsmKey"]
    assert [event["eventName"] for _, event in found] == names
    assert found[1][1]["requestParameters"] == {"hsmConfiguration": "first", "hsmKey": key_id}
    world.token.is_away = True
    with pytest.raises(HsmUnavailable):
        world.open().verify_partition(CALLER, "first")
    (lost,) = [event for _, event in hsm.audit_events(query=AuditQuery(event="HsmUnreachable"))]
    assert lost["eventType"] == "AwsServiceEvent"
    assert lost["requestParameters"]["hsmConfiguration"] == "first"


def test_who_only_looks_or_opens_changes_nothing(world: World) -> None:
    hsm = world.adopted()
    hsm.create_cluster_key(CALLER, "first", "0" * 32)
    wrapped = hsm.wrap_data_key(CALLER, "first", "0" * 32, DataKey(bytes(32)), {})
    before = kept(world.home)
    again = world.open()
    assert again.unwrap_data_key(CALLER, "first", "0" * 32, wrapped, {}) == DataKey(bytes(32))
    assert again.probe_partition(CALLER, "first").fault is None
    assert again.describe_partitions(CALLER)
    assert kept(world.home) == before


def test_no_use_of_a_key_reads_a_whole_table(world: World) -> None:
    hsm = world.adopted()
    hsm.create_cluster_key(CALLER, "first", "0" * 32)
    key = hsm.create_key(CALLER, KeyRequest(), token="k").arn
    world.close()

    def work() -> None:
        again = world.open()
        wrapped = again.wrap_data_key(CALLER, "first", "0" * 32, DataKey(bytes(32)), {})
        again.unwrap_data_key(CALLER, "first", "0" * 32, wrapped, {})
        again.decrypt(CALLER, again.encrypt(CALLER, key, b"x", {}), {})
        again.describe_keys(CALLER, [key])
        again.rotate_key(CALLER, key, token="r")
        again.tag_resource(CALLER, key, {"a": "b"})
        again.disable_key(CALLER, key)
        again.schedule_key_deletion(CALLER, key, waiting_days=7)
        again.retire_cluster_key(CALLER, "first", "0" * 32)
        again.destroy_cluster_key(CALLER, "first", "0" * 32)
        world.close()

    assert scans(begun_by(work), [world.store / "hsm.db"], small=["seal", "event_head", "partition"]) == {}


def test_nothing_is_made_by_looking(world: World) -> None:
    hsm = world.open()
    assert hsm.describe_partitions(CALLER) == []
    assert hsm.list_keys(CALLER) == []
    assert list(hsm.audit_events()) == []
    assert hsm.expire() == []
    assert not world.home.exists()
