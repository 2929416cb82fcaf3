"""What comes over the wire and is no sound request: each refused by its public name, and the server goes on (KM9)."""

from __future__ import annotations

import json
from datetime import timedelta
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.clients import keys
from tests.clients.raw import Sending, asked, send
from tests.clients.server import Server

LIST = b'{"Limit": 1}'

REFUSED: dict[str, tuple[Sending, str]] = {
    "a wrong secret": (Sending("ListKeys", secret="another"), "InvalidSignatureException"),
    "a body changed on the way": (Sending("ListKeys", changed_body=LIST), "InvalidSignatureException"),
    "another operation than was signed": (
        Sending("ListKeys", changes={"x-amz-target": "TrentService.CreateKey"}),
        "InvalidSignatureException",
    ),
    "a header that matters is not signed": (
        Sending("ListKeys", changes={"x-amz-security-token": "x"}),
        "InvalidSignatureException",
    ),
    "signed too long ago": (Sending("ListKeys", late=timedelta(minutes=-6)), "InvalidSignatureException"),
    "signed in the future": (Sending("ListKeys", late=timedelta(minutes=6)), "InvalidSignatureException"),
    "for another service": (Sending("ListKeys", service="s3"), "InvalidSignatureException"),
    "for a Region that is none": (Sending("ListKeys", region="nowhere"), "InvalidSignatureException"),
    "nobody signed": (
        Sending("ListKeys", changes={"authorization": None}),
        "MissingAuthenticationTokenException",
    ),
    "half a signature": (
        Sending("ListKeys", changes={"authorization": "AWS4-HMAC-SHA256 Credential=x"}),
        "IncompleteSignatureException",
    ),
    "another way to sign": (
        Sending("ListKeys", changes={"authorization": "Basic YTpi"}),
        "IncompleteSignatureException",
    ),
    "no time": (Sending("ListKeys", changes={"x-amz-date": None}), "IncompleteSignatureException"),
    "no such operation": (Sending("ListUnicorns"), "UnknownOperationException"),
    "another service's target": (Sending("ListKeys", target="DynamoDB_20120810."), "UnknownOperationException"),
    "no JSON": (Sending("ListKeys", b"{"), "SerializationException"),
    "JSON, but no object": (Sending("ListKeys", b"[]"), "SerializationException"),
    "no text at all": (Sending("ListKeys", b"\xff\xfe"), "SerializationException"),
    "a number that JSON has not": (Sending("ListKeys", b'{"Limit": NaN}'), "SerializationException"),
    "a text for a number": (Sending("ListKeys", b'{"Limit": "1"}'), "SerializationException"),
    "a list for a text": (Sending("DescribeKey", b'{"KeyId": ["x"]}'), "SerializationException"),
    "a number for a blob": (Sending("Decrypt", b'{"CiphertextBlob": 1}'), "SerializationException"),
    "no base64 for a blob": (Sending("Decrypt", b'{"CiphertextBlob": "@"}'), "SerializationException"),
    "a text for an object": (
        Sending("Encrypt", b'{"KeyId": "x", "Plaintext": "eA==", "EncryptionContext": "x"}'),
        "SerializationException",
    ),
    "nested without end": (Sending("ListKeys", b'{"a":' * 20_000 + b"1" + b"}" * 20_000), "SerializationException"),
    "a member that must be there is not": (Sending("DescribeKey"), "ValidationException"),
    "beyond a limit": (Sending("ListKeys", b'{"Limit": 1001}'), "ValidationException"),
    "larger than any request": (Sending("ListKeys", b" " * 2_000_000 + b"{}"), "RequestEntityTooLargeException"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_it_is_refused_by_its_public_name(server: Server, what: str) -> None:
    sending, error = REFUSED[what]
    answered = send(server.url, sending)
    assert answered.error == error
    assert answered.status == (413 if error == "RequestEntityTooLargeException" else 400)
    assert answered.headers["x-amzn-requestid"]
    assert json.loads(answered.body)["message"]
    assert send(server.url, Sending("ListKeys", LIST)).status == 200


def test_a_copy_of_a_request_changes_nothing_again(server: Server, kms: Any) -> None:
    """A replay within the five minutes that a signature is good for."""
    sending = asked("CreateKey", Description="once")
    headers = sending.signed(urlsplit(server.url).netloc)
    first = send(server.url, sending, headers)
    assert first.status == 200
    again = send(server.url, sending, headers)
    assert (again.status, again.error) == (400, "InvalidSignatureException")
    looking = asked("DescribeKey", KeyId=json.loads(first.body)["KeyMetadata"]["KeyId"])
    headers = looking.signed(urlsplit(server.url).netloc)
    assert [send(server.url, looking, headers).status for _ in range(2)] == [200, 200]


def test_the_same_call_twice_in_a_second_is_two_calls(kms: Any) -> None:
    """What SDKs send is never signed alike."""
    assert len({keys.made(kms) for _ in range(5)}) == 5


def test_members_that_nobody_knows_are_ignored(server: Server) -> None:
    assert send(server.url, asked("ListKeys", Limit=1, FromTheFuture={"a": [1]})).status == 200


def test_no_secret_is_told_in_a_refusal(server: Server, kms: Any) -> None:
    plaintext = "d2hhdCBub2JvZHkgaXMgdG8gcmVhZA=="
    for sending in (
        asked("Encrypt", KeyId=keys.NOBODYS, Plaintext=plaintext),
        asked("Encrypt", KeyId=keys.made(kms), Plaintext=plaintext * 400),
        asked("Encrypt", KeyId=1, Plaintext=plaintext),
        asked("Encrypt", Plaintext=plaintext + "@"),
    ):
        answered = send(server.url, sending)
        assert answered.status == 400
        assert plaintext.encode() not in answered.body


def test_any_region_has_its_own_keys_on_the_one_port(server: Server) -> None:
    regions = ("us-east-1", "eu-central-1", "ap-southeast-2", "us-gov-west-1", "sa-east-1")
    made = {region: keys.made(server.client(region=region)) for region in regions}
    for region in regions:
        listed = {key["KeyId"] for key in server.client(region=region).list_keys(Limit=1000)["Keys"]}
        assert {made[other] for other in regions} & listed == {made[region]}


@pytest.mark.parametrize(("method", "path"), [("GET", "/"), ("PUT", "/"), ("POST", "/elsewhere"), ("GET", "/_reset")])
def test_other_methods_and_paths_are_refused(server: Server, method: str, path: str) -> None:
    connection = HTTPConnection(urlsplit(server.url).netloc, timeout=30)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        assert 400 <= answer.status < 500
        answer.read()
    finally:
        connection.close()


def test_operators_are_told_how_it_is(server: Server, kms: Any) -> None:
    kms.list_keys(Limit=1)
    connection = HTTPConnection(urlsplit(server.url).netloc, timeout=30)
    try:
        connection.request("GET", "/healthz")
        answer = connection.getresponse()
        assert (answer.status, json.loads(answer.read())) == (200, {"status": "ok"})
        connection.request("GET", "/metrics")
        answer = connection.getresponse()
        assert answer.status == 200
        assert b'operation="ListKeys"' in answer.read()
    finally:
        connection.close()
