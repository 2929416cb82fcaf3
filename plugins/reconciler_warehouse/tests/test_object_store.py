"""A warehouse whose segments lie on an object store: a cluster's whole life, a store that fails, kills."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import ValidationError

from reconciler.errors import DamagedStore, HostError, UsageError
from reconciler.providers.data import Root
from reconciler.providers.proofs import Result
from reconciler.providers.secret_source import SecretSource
from reconciler_warehouse.config import WarehouseConfig
from reconciler_warehouse.segment_store import object_client, object_store
from reconciler_warehouse.segment_store.object_config import ObjectStoreConfig
from reconciler_warehouse.tests.object_server import KEY, SECRET, ObjectServer, object_server
from reconciler_warehouse.tests.test_crashes import ANSWER, QUESTION
from reconciler_warehouse.tests.test_proving import Looking
from reconciler_warehouse.tests.worlds import HERE, NONE, OWNED, THERE, World, silent
from tests.amounts import is_campaign

PART = 16 << 10
CANARY = b"CANARY-TAIL"


@pytest.fixture
def server(quick: Path) -> Iterator[ObjectServer]:
    with object_server(quick) as made:
        yield made


@pytest.fixture
def objects(world: World, server: ObjectServer, monkeypatch: pytest.MonkeyPatch) -> World:
    """The world with its segments here on the object store; in small parts, so that each has several."""
    monkeypatch.setattr(object_store, "PART_BYTES", PART)
    monkeypatch.setattr(object_client, "PATIENCE", timedelta(seconds=0.05))
    world.configs[HERE] = server.warehouse()
    return world


def modify(world: World, root: Root, token: str) -> None:
    world.warehouse().modify_encryption(world.caller, "sales", root, progress=silent, token=token)


def segments(server: ObjectServer) -> set[str]:
    return {key.split("/")[-2] for key in server.objects()}


def test_a_cluster_lives_and_dies_there(objects: World, server: ObjectServer) -> None:
    """Loaded in clear, encrypted, rotated, decrypted, encrypted again, deleted."""
    objects.create(NONE)
    objects.load(objects.file("a.csv"))
    assert objects.data_files() == {}
    assert any(CANARY in content or b"PAR1" in content for content in server.objects().values())
    modify(objects, objects.key("k1"), "encrypt")
    assert objects.select(QUESTION) == ANSWER
    assert len(segments(server)) == 1 < len(server.objects())
    objects.warehouse().rotate_encryption_key(objects.caller, "sales", progress=silent, token="rotate")
    modify(objects, NONE, "decrypt")
    modify(objects, OWNED, "again")
    objects.reopen()
    assert objects.select(QUESTION) == ANSWER
    for content in server.objects().values():
        assert CANARY not in content and b"PAR1" not in content
    for snapshot in objects.warehouse().describe_snapshots(objects.caller):
        objects.warehouse().delete_snapshot(objects.caller, snapshot.name)
    objects.warehouse().delete_cluster(objects.caller, "sales")
    objects.warehouse().clear_up()
    assert server.objects() == {}


@pytest.mark.parametrize("here", ["objects", "files"])
@pytest.mark.parametrize("there", ["objects", "files"])
def test_snapshots_are_copied_from_either_to_either(world: World, server: ObjectServer, here: str, there: str) -> None:
    world.configs.update(
        {region: server.warehouse() for region, place in ((HERE, here), (THERE, there)) if place == "objects"}
    )
    world.create(world.key("k1"))
    world.load(world.file("a.csv", "id,tail,delay\n" + "".join(f"{n},CANARY-{n * 7919},1.5\n" for n in range(30_000))))
    world.warehouse().create_snapshot(world.caller, "sales", "s1", retention_days=None, token="s1")
    destination = world.warehouse(THERE)
    world.warehouse().enable_snapshot_copy(world.caller, "sales", destination, grant=None, retention_days=7)
    copied = world.warehouse().copy_snapshot(world.caller, "s1", destination, progress=silent, token="copy")
    assert copied.name == "s1"
    regions = {key.split("/")[3] for key in server.objects()}
    assert regions == {region for region, place in ((HERE, here), (THERE, there)) if place == "objects"}
    destination.delete_snapshot(world.caller, "s1")
    assert not any(THERE in key for key in server.objects()) and world.data_files(THERE) == {}


def test_a_cluster_in_files_goes_on_after_the_config_names_an_object_store(world: World, server: ObjectServer) -> None:
    world.create(world.key("k1"))
    world.load(world.file("a.csv"))
    world.reopen()
    world.configs[HERE] = server.warehouse()
    assert world.select(QUESTION) == ANSWER
    world.load(
        world.file("b.csv", "id,tail,delay\n" + "".join(f"{n},B-{os.urandom(20).hex()},2\n" for n in range(9000)))
    )
    assert len(world.data_files()) == 1 == len(segments(server))
    modify(world, NONE, "decrypt")
    assert (world.data_files(), len(segments(server))) == ({}, 2)


class TestWhatLiesThere:
    """``verify`` and ``drift`` look at objects as they do at files (I18, T9)."""

    @pytest.fixture
    def sealed(self, objects: World, server: ObjectServer) -> list[str]:
        """The keys of the parts of one segment of an encrypted cluster."""
        objects.create(OWNED)
        objects.load(objects.file("a.csv"))
        return sorted(server.objects())

    def failures(self, objects: World) -> list[str]:
        witness = Looking(is_full=True)
        checks = objects.warehouse().prove_cluster(objects.caller, "sales", OWNED, cast(Any, witness))
        return [check.failure or "" for check in checks if check.result is not Result.PROVED]

    def test_sound_ones_are(self, objects: World, server: ObjectServer, sealed: list[str]) -> None:
        assert self.failures(objects) == []
        assert objects.warehouse().plaintext_found() == []

    @pytest.mark.parametrize("how", ["flipped", "cut", "longer", "swapped", "gone"])
    def test_changed_ones_are_found_and_nothing_of_them_is_used(
        self, objects: World, server: ObjectServer, sealed: list[str], how: str
    ) -> None:
        first, *_, last = sealed
        content = server.objects()
        if how == "gone":
            server.forget(last)
        elif how == "swapped":
            server.put(first, content[sealed[1]])
            server.put(sealed[1], content[first])
        else:
            changed = bytearray(content[last])
            changed[len(changed) // 2] ^= 1
            server.put(
                last, {"flipped": bytes(changed), "cut": content[last][:-1], "longer": content[last] + b"x"}[how]
            )
        assert self.failures(objects)
        if how != "longer":  # what follows the last block is never read
            with pytest.raises(DamagedStore):
                objects.select("SELECT max(tail), min(delay), sum(id) FROM flights")

    def test_plaintext_is_found(self, objects: World, server: ObjectServer, sealed: list[str]) -> None:
        server.put(sealed[0], b"PAR1" + b"id,tail,delay\n1,CANARY,2\n" * 100)
        assert len(objects.warehouse().plaintext_found()) == 1


class TestAStoreThatFails:
    def test_what_is_not_there_for_a_while_costs_the_call_and_nothing_else(
        self, objects: World, server: ObjectServer
    ) -> None:
        objects.create(objects.key("k1"))
        answers = iter([None, None])
        server.rule = lambda method, path: next(answers, "503 Slow Down") if method == "PUT" else None
        with pytest.raises(HostError, match="status 503"):
            objects.load(objects.file("a.csv"))
        server.rule = lambda method, path: "503 Slow Down"
        with pytest.raises(HostError, match="cannot be used"):
            objects.load(objects.file("a.csv"))
        server.rule = lambda method, path: None
        objects.load(objects.file("a.csv"))
        assert objects.select(QUESTION) == ANSWER
        assert len(segments(server)) == 1, "what the refused ones left was swept"

    def test_one_that_is_gone_mid_way_is_met_again(self, objects: World, server: ObjectServer) -> None:
        """The server itself ends with the encryption begun; a later call goes on."""
        objects.create(NONE)
        for number in range(3):
            objects.load(objects.file(f"{number}.csv", f"id,tail\n{number},{'x' * 99}\n"))
        before = segments(server)
        server.rule = lambda method, path: "500 Down" if len(segments(server)) > len(before) else None
        with pytest.raises(HostError, match="object store"):
            modify(objects, OWNED, "encrypt")
        server.stop()
        objects.reopen()
        for ask in (lambda: modify(objects, OWNED, "encrypt"), lambda: objects.select("SELECT max(id) FROM flights")):
            with pytest.raises(HostError, match="it cannot be reached"):
                ask()
        server.rule = lambda method, path: None
        server.start()
        modify(objects, OWNED, "encrypt")
        assert objects.select("SELECT count(*) FROM flights") == [(3,)]
        assert not before & segments(server)

    @pytest.mark.parametrize(
        ("status", "words"),
        [("403 Forbidden", "denies access"), ("401 Unauthorized", "denies access"), ("501 No", "status 501")],
    )
    def test_refusals_are_told_in_our_words(
        self, objects: World, server: ObjectServer, status: str, words: str
    ) -> None:
        objects.create(OWNED)
        server.rule = lambda method, path: status
        with pytest.raises(HostError, match=words) as refused:
            objects.load(objects.file("a.csv"))
        assert refused.value.suggestion and refused.value.__cause__ is None

    def test_a_bucket_that_is_not_there_is_no_lost_segment(self, objects: World, server: ObjectServer) -> None:
        objects.create(OWNED)
        objects.load(objects.file("a.csv"))
        objects.reopen()
        server.bucket = "another-bucket"
        objects.configs[HERE] = server.warehouse()
        with pytest.raises(HostError, match="there is no such bucket"):
            objects.select(QUESTION)

    def test_a_segment_that_is_gone_is_damage(self, objects: World, server: ObjectServer) -> None:
        objects.create(OWNED)
        objects.load(objects.file("a.csv"))
        for key in server.objects():
            server.forget(key)
        with pytest.raises(DamagedStore, match="cannot be read"):
            objects.select(QUESTION)

    def test_a_part_that_was_written_and_not_answered_is_not_taken_for_a_strangers(
        self, objects: World, server: ObjectServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The client sends it again, and the store refuses to write it twice."""
        monkeypatch.setattr(object_client, "PATIENCE", timedelta(seconds=20))
        objects.create(OWNED)
        server.lost_answers = 2
        objects.load(objects.file("a.csv"))
        assert server.lost_answers == 0
        assert objects.select(QUESTION) == ANSWER


class TestCredentials:
    def test_they_are_in_no_message_log_or_file(
        self, objects: World, server: ObjectServer, caplog: pytest.LogCaptureFixture, quick: Path
    ) -> None:
        caplog.set_level(logging.DEBUG)
        objects.create(OWNED)
        objects.load(objects.file("a.csv"))
        server.rule = lambda method, path: "403 Forbidden"
        with pytest.raises(HostError) as refused:
            objects.select(QUESTION)
        objects.reopen()
        told = [caplog.text, str(refused.value), repr(refused.value), repr(server.config())]
        told += [path.read_bytes().decode("latin-1") for path in (quick / "home").rglob("*") if path.is_file()]
        assert not any(KEY in one or SECRET in one for one in told)

    @pytest.mark.parametrize("content", ["", "no JSON", "[]", "{}", '{"AccessKeyId": 1, "SecretAccessKey": "x"}'])
    def test_what_is_none_is_refused_without_being_shown(
        self, objects: World, server: ObjectServer, content: str
    ) -> None:
        server.config()
        (server.folder / "credentials").write_text(content)
        objects.create(OWNED)
        with pytest.raises(HostError, match=r"holds no credentials|not in a form that is known") as refused:
            objects.load(objects.file("a.csv"))
        assert not content or content not in str(refused.value)

    def test_they_are_read_again_when_they_run_out(self, objects: World, server: ObjectServer) -> None:
        server.credentials(AccessKeyId="FIRST", SessionToken="token", Expiration="2026-01-01T00:00:00Z")
        objects.create(OWNED)
        objects.load(objects.file("a.csv"))
        assert server.signed_by == {"FIRST"}
        server.credentials(AccessKeyId="SECOND", Expiration="2999-01-01T00:00:00+00:00")
        assert objects.select(QUESTION) == ANSWER
        server.credentials(AccessKeyId="THIRD")
        assert objects.select(QUESTION) == ANSWER
        assert server.signed_by == {"FIRST", "SECOND"}

    def test_a_command_that_the_operator_does_not_list_is_not_run(self, objects: World, server: ObjectServer) -> None:
        config = server.config().model_copy(update={"credentials_from": SecretSource(command=("/bin/false",))})
        objects.configs[HERE] = WarehouseConfig(segments=config)
        objects.create(OWNED)
        with pytest.raises(UsageError, match="not one that the operator's file lists"):
            objects.load(objects.file("a.csv"))

    def test_variables_of_the_environment_change_nothing(
        self, objects: World, server: ObjectServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name, value in {
            "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
            "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:1",
            "AWS_BUCKET": "another",
            "AWS_SKIP_SIGNATURE": "true",
            "AWS_CONDITIONAL_PUT": "disabled",
            "AWS_ACCESS_KEY_ID": "other",
        }.items():
            monkeypatch.setenv(name, value)
        objects.create(OWNED)
        objects.load(objects.file("a.csv"))
        assert objects.select(QUESTION) == ANSWER


@pytest.mark.parametrize(
    "change",
    [
        {"url": "https://bucket/x"},
        {"url": "s3://bucket/../x"},
        {"url": "s3://Bucket"},
        {"url": "s3://bucket//x"},
        {"endpoint": "http://example.com"},
        {"endpoint": "https://user:secret@example.com"},
        {"endpoint": "file:///etc"},
        {"rootCertificate": "ca.pem"},
        {"credentialsFrom": {"file": "relative"}},
        {"credentialsFrom": {}},
        {"accessKey": "x"},
    ],
)
def test_a_config_that_is_not_safe_is_refused(change: dict[str, object]) -> None:
    good = {"url": "s3://bucket/some/prefix", "endpoint": "https://s3.example.com", "credentialsFrom": {"file": "/c"}}
    assert ObjectStoreConfig.model_validate(good).prefix == "some/prefix"
    with pytest.raises(ValidationError):
        ObjectStoreConfig.model_validate(good | change)


_LOADS = """
import sys
from datetime import timedelta
from pathlib import Path
from reconciler_warehouse.segment_store import object_client, object_store
from reconciler_warehouse.tests.object_server import ObjectServer
from reconciler_warehouse.tests.worlds import HERE, World
object_store.PART_BYTES = 16 << 10
home, bucket, port = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
world = World(home=home / "home", files=home / "files")
world.configs[HERE] = ObjectServer(folder=home, bucket=bucket, port=port).warehouse()
world.load(home / "files" / sys.argv[4])
"""


def test_a_kill_among_the_parts_leaves_nothing_for_long(objects: World, server: ObjectServer, quick: Path) -> None:
    """The process is killed while the store answers its n-th part; the same call again finds the rest gone."""
    objects.create(objects.key("k1"))
    for turn, at in enumerate(range(1, 21) if is_campaign() else [4], 1):
        rows = "".join(f"{row},{os.urandom(200).hex()}\n" for row in range(2500))
        file = objects.file(f"{turn}.csv", "id,noise\n" + rows)
        objects.reopen()
        before = segments(server)
        process = subprocess.Popen(
            [sys.executable, "-c", _LOADS, str(quick), server.bucket, str(server.port), file.name],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        server.rule = _Killer(process.pid, at)
        assert process.wait(60) == -signal.SIGKILL
        server.rule = lambda method, path: None
        left = segments(server) - before
        objects.load(file)
        assert objects.select("SELECT count(*), count(DISTINCT noise) FROM flights") == [(turn * 2500, turn * 2500)]
        assert len(left) <= 1 == len(segments(server) - before)
        assert not left & segments(server)


class _Killer:
    """A rule that kills a process at its n-th PUT."""

    def __init__(self, process: int, at: int) -> None:
        self._process = process
        self._at = at
        self._puts = 0

    def __call__(self, method: str, path: str) -> str | None:
        self._puts += method == "PUT"
        if self._puts == self._at and method == "PUT":
            os.kill(self._process, signal.SIGKILL)
        return None
