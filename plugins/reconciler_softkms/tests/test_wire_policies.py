"""GetKeyPolicy, PutKeyPolicy, ListKeyPolicies in the public API's words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from reconciler.access.caller import Caller
from reconciler.errors import (
    AccessDeniedException,
    InvalidArnException,
    InvalidMarkerException,
    MalformedPolicyDocumentException,
    NotFoundException,
    SerializationException,
    ServiceError,
    ValidationException,
)
from reconciler.providers.keys import KeyRequest
from reconciler_softkms import SoftKms
from reconciler_softkms.tests.asking import Client

ACCOUNT = "111122223333"
ADMINISTRATOR = f"arn:aws:iam::{ACCOUNT}:role/reconciler"
APP = f"arn:aws:iam::{ACCOUNT}:role/app"


def statement(principal: str, action: str = "kms:*", **parts: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": action, "Resource": "*", **parts}


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


OURS = policy(statement(ADMINISTRATOR))


@pytest.fixture
def client(provider: SoftKms, caller: Caller) -> Client:
    return Client(provider, caller)


@pytest.fixture
def key(provider: SoftKms, caller: Caller) -> str:
    return provider.create_key(caller, KeyRequest(), token="k").key_id


def test_a_key_has_the_default_policy_until_it_gets_another(client: Client, key: str) -> None:
    found = client.ask("GetKeyPolicy", KeyId=key)
    assert found["PolicyName"] == "default"
    document = json.loads(found["Policy"])
    assert document["Id"] == "key-default-1"
    assert document["Statement"][0]["Principal"] == {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
    assert client.ask("PutKeyPolicy", KeyId=key, Policy=OURS, PolicyName="default") == {}
    assert json.loads(client.ask("GetKeyPolicy", KeyId=key, PolicyName="default")["Policy"]) == json.loads(OURS)


def test_a_key_has_one_policy_of_one_name(client: Client, key: str) -> None:
    assert client.ask("ListKeyPolicies", KeyId=key) == {"PolicyNames": ["default"], "Truncated": False}
    for name in ("GetKeyPolicy", "PutKeyPolicy"):
        more = {"Policy": OURS} if name == "PutKeyPolicy" else {}
        with pytest.raises(NotFoundException, match="No such policy exists"):
            client.ask(name, KeyId=key, PolicyName="other", **more)
    with pytest.raises(InvalidMarkerException):
        client.ask("ListKeyPolicies", KeyId=key, Marker="made up")


MALFORMED = {
    "no JSON": "{",
    "no object": "[]",
    "no number": '{"Version": NaN}',
    "a name twice": '{"Version": "2012-10-17", ' + OURS[1:],
    "nested too deeply": "[" * 20_000,
    "no statement": '{"Version": "2012-10-17", "Statement": []}',
    "a principal that is none": policy(statement("somebody")),
    "no action": json.dumps({"Statement": [{"Effect": "Allow", "Principal": "*", "Resource": "*"}]}),
    "an operator that there is not": policy(statement(ADMINISTRATOR, Condition={"StringSame": {"a": "b"}})),
    "larger than 32 KiB": policy(statement(ADMINISTRATOR, Sid="x" * 32_768)),
}


@pytest.mark.parametrize("what", MALFORMED)
@pytest.mark.parametrize("bypass", [False, True])
def test_what_is_no_policy_is_refused_and_the_one_before_stays(
    client: Client, key: str, what: str, bypass: bool
) -> None:
    with pytest.raises(MalformedPolicyDocumentException):
        client.ask("PutKeyPolicy", KeyId=key, Policy=MALFORMED[what], BypassPolicyLockoutSafetyCheck=bypass)
    assert json.loads(client.ask("GetKeyPolicy", KeyId=key)["Policy"])["Id"] == "key-default-1"


def test_nobody_locks_themselves_out_unless_they_say_so(client: Client, key: str, provider: SoftKms) -> None:
    theirs = policy(statement(APP))
    with pytest.raises(MalformedPolicyDocumentException, match="will not allow you to update the key policy"):
        client.ask("PutKeyPolicy", KeyId=key, Policy=theirs)
    client.ask("PutKeyPolicy", KeyId=key, Policy=theirs, BypassPolicyLockoutSafetyCheck=True)
    with pytest.raises(AccessDeniedException):
        client.ask("GetKeyPolicy", KeyId=key)
    assert Client(provider, Caller(principal=APP, account=ACCOUNT)).ask("GetKeyPolicy", KeyId=key)["Policy"]


def test_the_check_can_be_bypassed_in_process_too(provider: SoftKms, caller: Caller, key: str) -> None:
    document = json.loads(policy(statement(APP)))
    with pytest.raises(MalformedPolicyDocumentException):
        provider.put_key_policy(caller, key, document)
    provider.put_key_policy(caller, key, document, bypass_lockout_check=True)


def test_a_policy_can_keep_others_from_bypassing_the_check(client: Client, key: str) -> None:
    bypassing = {"Bool": {"kms:BypassPolicyLockoutSafetyCheck": "true"}}
    deny = statement(ADMINISTRATOR, "kms:PutKeyPolicy", Effect="Deny", Condition=bypassing)
    client.ask("PutKeyPolicy", KeyId=key, Policy=policy(statement(ADMINISTRATOR), deny))
    with pytest.raises(AccessDeniedException):
        client.ask("PutKeyPolicy", KeyId=key, Policy=OURS, BypassPolicyLockoutSafetyCheck=True)
    client.ask("PutKeyPolicy", KeyId=key, Policy=OURS)


@pytest.mark.parametrize(
    ("operation", "members", "error"),
    [
        ("GetKeyPolicy", {"KeyId": "0f0f0f0f-1111-4222-8333-444455556666"}, NotFoundException),
        ("GetKeyPolicy", {"KeyId": "arn:aws:kms:eu-west-1:111122223333:cluster/x"}, InvalidArnException),
        ("GetKeyPolicy", {}, ValidationException),
        ("GetKeyPolicy", {"KeyId": 1}, SerializationException),
        ("GetKeyPolicy", {"KeyId": "KEY", "PolicyName": "a b"}, ValidationException),
        ("PutKeyPolicy", {"KeyId": "KEY"}, ValidationException),
        ("PutKeyPolicy", {"KeyId": "KEY", "Policy": ""}, ValidationException),
        ("PutKeyPolicy", {"KeyId": "KEY", "Policy": "\u20ac"}, ValidationException),
        ("PutKeyPolicy", {"KeyId": "KEY", "Policy": {}}, SerializationException),
        ("PutKeyPolicy", {"KeyId": "KEY", "Policy": "x" * 131_073}, ValidationException),
        ("ListKeyPolicies", {"KeyId": "KEY", "Limit": 0}, ValidationException),
        ("ListKeyPolicies", {"KeyId": "KEY", "Limit": 1001}, ValidationException),
    ],
)
def test_a_request_outside_the_form_is_refused(
    client: Client, key: str, operation: str, members: dict[str, Any], error: type[ServiceError]
) -> None:
    with pytest.raises(error):
        client.ask(operation, **{name: key if value == "KEY" else value for name, value in members.items()})


def test_who_may_not_see_or_change_a_policy_is_denied(provider: SoftKms, key: str) -> None:
    stranger = Client(provider, Caller(principal=APP, account=ACCOUNT))
    for operation, members in (("GetKeyPolicy", {}), ("ListKeyPolicies", {}), ("PutKeyPolicy", {"Policy": OURS})):
        with pytest.raises(AccessDeniedException, match=f"kms:{operation}"):
            stranger.ask(operation, KeyId=key, **members)


@pytest.mark.parametrize(
    "text",
    [
        '{"Statement": []}'.replace("[]", "[" * 450 + "]" * 450),
        OURS.replace("{", '{"Id": "\\ud800", ', 1),
        OURS.replace('"Effect"', '"Sid": "\\udfff", "Effect"'),
    ],
    ids=["deep", "half a surrogate pair as Id", "half a surrogate pair as Sid"],
)
@pytest.mark.parametrize("operation", ["CreateKey", "PutKeyPolicy"])
def test_what_json_can_write_and_no_policy_holds_is_malformed(
    client: Client, key: str, text: str, operation: str
) -> None:
    with pytest.raises(MalformedPolicyDocumentException):
        client.ask(operation, Policy=text, **({"KeyId": key} if operation == "PutKeyPolicy" else {}))
