"""One request taken through: what the key service is told, and what a client is told when something is wrong."""

from __future__ import annotations

import errno
import json
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, NoReturn

import pytest

from reconciler.access.caller import Caller
from reconciler.errors import DamagedStore, KeyUnavailableException
from reconciler.host.os_fs import OsFs
from reconciler.serving.answering import Answer, Answering, Peer
from reconciler.serving.credentials import DeclaredCredentials
from reconciler.serving.replays import Replays
from reconciler.serving.signature import SentRequest
from reconciler.testing.failing_fs import FailingFs, disk_fault
from reconciler.testing.fakes import ManualClock
from tests.serving.key_services import Config, Remembering, services
from tests.serving.signing import ADMIN, NOW, as_sent, credential, sent, signed_headers, target

OTHER_ACCOUNT = "arn:aws:iam::444455556666:role/reader"
TAGGED = replace(credential("tagged1"), tags={"team": "orders"})
KNOWN = DeclaredCredentials([credential(), credential("reader1", OTHER_ACCOUNT), TAGGED])
PEER = Peer(address="10.1.2.3", is_encrypted=True)
REQUEST_ID = bytes(range(16))


@dataclass(frozen=True)
class Declared:
    plugin: str = "remembering"
    account: str = "111122223333"
    region: str = "eu-west-1"
    principal: str = ADMIN
    config: Mapping[str, Any] = field(default_factory=dict)


class World:
    """An endpoint, its clock, and what an operator was told."""

    def __init__(self, home: Path, declared: Mapping[str, Declared] | None = None) -> None:
        self.services = services(KNOWN, home, declared)
        self.clock = ManualClock(NOW)
        self.told: list[str] = []
        self.replays = Replays(home / "serve")
        self._answering = Answering(self.services, KNOWN, self.replays, self.clock, self.told.append)

    def answer(self, request: SentRequest) -> Answer:
        return self._answering.answer(request, PEER, REQUEST_ID)

    def close(self) -> None:
        self.services.close()
        self.replays.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


def body_of(answer: Answer) -> Any:
    return json.loads(answer.body)


def test_an_operation_is_answered_and_the_key_service_knows_who_asked_and_from_where(world: World) -> None:
    headers = signed_headers(
        b'{"Limit":3}', {**target("ListKeys"), "User-Agent": "agent/1\x1b[2J"}, key=("tagged1", "testing-secret")
    )
    found = world.answer(as_sent(headers, b'{"Limit":3}'))
    assert (found.status, found.content_type) == (200, "application/x-amz-json-1.1")
    assert body_of(found) == {"Place": "softkms/111122223333/eu-west-1: 111122223333 eu-west-1"}
    (name, caller, request) = Remembering.asked[0]
    assert (name, request) == ("ListKeys", {"Limit": 3})
    assert (caller.principal, caller.account, caller.tags) == (ADMIN, "111122223333", {"team": "orders"})
    assert caller.origin is not None
    assert (caller.origin.address, caller.origin.access_key_id) == ("10.1.2.3", "tagged1")
    assert (caller.origin.is_encrypted, caller.origin.request_id) == (True, REQUEST_ID)
    assert caller.origin.user_agent == "agent/1?[2J"


def test_the_region_is_the_signatures_and_the_account_the_principals(world: World) -> None:
    places = [
        body_of(world.answer(sent(region=region, key=(key, "testing-secret"))))["Place"].partition(": ")[2]
        for region, key in [("eu-west-1", "testing"), ("us-east-2", "testing"), ("eu-west-1", "reader1")]
    ]
    assert places == ["111122223333 eu-west-1", "111122223333 us-east-2", "444455556666 eu-west-1"]


def test_a_declared_provider_answers_for_its_place_and_a_store_at_home_for_others(tmp_path: Path) -> None:
    world = World(tmp_path, {"keys": Declared()})
    places = [body_of(world.answer(sent(region=region)))["Place"] for region in ("eu-west-1", "us-east-2")]
    assert places[0].startswith("keys: ")
    assert places[1].startswith("softkms/")
    world.close()


def test_who_administers_the_account_administers_its_stores_that_no_manifest_declares(world: World) -> None:
    world.answer(sent())
    assert Remembering.built == [("111122223333", "eu-west-1", ("arn:aws:iam::111122223333:root", ADMIN))]


REFUSALS: dict[str, tuple[SentRequest, int, str]] = {
    "an operation that does not exist": (sent("Mine"), 400, "UnknownOperationException"),
    "an operation of another service": (
        as_sent(signed_headers(b"{}", {"X-Amz-Target": "DynamoDB_20120810.ListTables"}), b"{}"),
        400,
        "UnknownOperationException",
    ),
    "no target": (as_sent(signed_headers(b"{}", {}), b"{}"), 400, "UnknownOperationException"),
    "a body that is no JSON": (sent(body=b"{"), 400, "SerializationException"),
    "a body that is no object": (sent(body=b"[1]"), 400, "SerializationException"),
    "what the operation itself refuses": (sent("DescribeKey"), 400, "NotFoundException"),
    "a scope of STS for KMS": (sent(service="sts"), 400, "InvalidSignatureException"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_refused_is(name: str, world: World) -> None:
    request, status, code = REFUSALS[name]
    found = world.answer(request)
    assert (found.status, body_of(found)["__type"], found.error) == (status, code, code)
    assert body_of(found)["message"]


def test_another_path_is_no_operation(world: World) -> None:
    headers = signed_headers(b"{}", target("ListKeys"), path="/x")
    assert body_of(world.answer(replace(as_sent(headers, b"{}"), path="/x")))["__type"] == "UnknownOperationException"


def test_an_empty_body_is_an_empty_request_and_an_empty_answer_has_no_body(world: World) -> None:
    Remembering.more["ListKeys"] = lambda caller, request: {}
    found = world.answer(sent(body=b""))
    assert (found.status, found.body) == (200, b"")
    assert Remembering.asked[0][2] == {}


def fail(error: Exception) -> Any:
    def operation(caller: Caller, request: Mapping[str, Any]) -> NoReturn:
        raise error

    return operation


def test_a_damaged_store_is_an_internal_error_and_only_the_operator_learns_where(world: World) -> None:
    Remembering.more["ListKeys"] = fail(DamagedStore("The key store at /secret/place is damaged"))
    found = world.answer(sent())
    assert (found.status, body_of(found)["__type"]) == (500, "KMSInternalException")
    assert b"/secret/place" not in found.body
    assert world.told == [
        "serve: ListKeys: damaged-store: The key store at /secret/place is damaged "
        "(request 00010203-0405-4607-8809-0a0b0c0d0e0f)"
    ]


def test_an_unforeseen_error_is_an_internal_one_whose_text_nobody_sees(world: World) -> None:
    Remembering.more["ListKeys"] = fail(ZeroDivisionError("a key: 0xdeadbeef"))
    found = world.answer(sent())
    assert (found.status, body_of(found)["__type"]) == (500, "KMSInternalException")
    assert "ZeroDivisionError" in world.told[0]
    assert "deadbeef" not in world.told[0] + found.body.decode()


def test_a_failure_that_repeats_is_told_once_in_ten_seconds(world: World) -> None:
    Remembering.more["ListKeys"] = fail(DamagedStore("damaged"))
    for _ in range(3):
        world.answer(sent())
    assert len(world.told) == 1
    world.clock.sleep(11)
    world.answer(sent())
    assert len(world.told) == 2


def test_what_can_be_sent_again_is_told_by_a_status_of_the_five_hundreds(world: World) -> None:
    Remembering.more["ListKeys"] = fail(KeyUnavailableException("not now"))
    assert world.answer(sent()).status == 500


def test_a_change_is_carried_out_once_for_each_signature(world: World) -> None:
    request = sent("CreateKey")
    assert world.answer(request).status == 200
    again = world.answer(request)
    assert (again.status, again.error) == (400, "InvalidSignatureException")
    assert "received before" in body_of(again)["message"]
    assert [name for name, _, _ in Remembering.asked] == ["CreateKey"]
    assert world.answer(sent("CreateKey", now=NOW + timedelta(seconds=1))).status == 200


def attempt(number: str, **signing: Any) -> SentRequest:
    request = sent("CreateKey", **signing)
    return replace(request, headers={**request.headers, "amz-sdk-invocation-id": number})


def test_a_second_equal_call_of_an_sdk_is_none_while_both_may_be_on_their_way(world: World) -> None:
    """boto3 signs by the second, and does not sign what it numbers its calls with."""
    assert [world.answer(attempt(number)).status for number in ("one", "two")] == [200, 200]
    assert world.answer(attempt("two")).error == "InvalidSignatureException"
    world.clock.sleep(20)
    assert world.answer(attempt("three")).error == "InvalidSignatureException"
    assert world.answer(attempt("three", now=NOW + timedelta(seconds=20))).status == 200


def test_a_copy_that_comes_to_another_process_changes_nothing_either(world: World, tmp_path: Path) -> None:
    request = sent("CreateKey")
    world.answer(request)
    beside = Replays(tmp_path / "serve")
    other = Answering(world.services, KNOWN, beside, world.clock, world.told.append)
    assert other.answer(request, PEER, REQUEST_ID).error == "InvalidSignatureException"
    beside.close()


def test_what_changes_nothing_is_answered_again(world: World) -> None:
    request = sent("ListKeys")
    assert [world.answer(request).status for _ in range(3)] == [200, 200, 200]


def test_signatures_are_kept_only_while_they_could_be_used(world: World, tmp_path: Path) -> None:
    for minute in range(0, 40, 2):
        world.clock.sleep(120)
        world.answer(sent("CreateKey", now=NOW + timedelta(minutes=minute + 2)))
    world.replays.close()
    with closing(sqlite3.connect(tmp_path / "serve" / "seen.db")) as connection:
        (count,) = connection.execute("SELECT count(*) FROM seen").fetchone()
    assert 1 <= count <= 8


def test_health_names_the_stores_that_cannot_be_opened(world: World, tmp_path: Path) -> None:
    assert world.services.problems() == []
    (tmp_path / "softkms" / "111122223333" / "eu-west-1").mkdir(parents=True)
    (tmp_path / "softkms" / "111122223333" / "identities.db").touch()
    assert world.services.problems() == []
    Remembering.more["check"] = fail(DamagedStore("bad"))
    assert world.services.problems() == ["softkms/111122223333/eu-west-1: damaged-store"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EIO])
def test_health_tries_what_every_request_needs_a_write(number: int, tmp_path: Path) -> None:
    for at in range(1, 5):
        failing = FailingFs(OsFs(), disk_fault(number, at=at, for_ever=True))
        asked = services(KNOWN, tmp_path, fs=failing)
        assert asked.problems()[0] == f"home: {os.strerror(number)}"
        asked.close()
        assert services(KNOWN, tmp_path).problems() == [], "what was tried leaves nothing behind"
    assert not (tmp_path / ".health").exists()


def test_the_configuration_is_what_the_embedded_key_service_takes() -> None:
    from reconciler.providers.discovery import InstalledPlugins
    from reconciler.providers.operator import Operator

    found = InstalledPlugins(lambda: Operator(path=Path("none"))).find("softkms")
    assert set(Config.model_fields) <= set(found.config_model.model_fields)
