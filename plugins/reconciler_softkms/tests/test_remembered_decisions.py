"""A decision is remembered only where nothing but what the question holds has a part in it; material, for as long as
the store keeps it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reconciler.access.caller import Caller, Origin
from reconciler.access.decision import Decision, Effect, Source
from reconciler.errors import AccessDeniedException, DamagedStore, DryRunOperationException, InvalidCiphertextException
from reconciler.providers.keys import KeyRequest
from reconciler_softkms import SoftKms, decisions, remembered
from reconciler_softkms.remembered import Decided, Remembered
from reconciler_softkms.tests.asking import Client

ACCOUNT = "111122223333"
APP = Caller(principal=f"arn:aws:iam::{ACCOUNT}:role/app", account=ACCOUNT)


def allow(condition: dict[str, Any]) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Action": "kms:*", "Resource": "*", "Condition": condition}
    return {"Version": "2012-10-17", "Statement": [statement]}


def test_another_algorithm_is_another_question(provider: SoftKms, caller: Caller) -> None:
    request = KeyRequest(key_spec="RSA_2048", key_usage="SIGN_VERIFY")
    key = provider.create_key(caller, request, token="k").key_id
    condition = {"StringEquals": {"kms:SigningAlgorithm": "RSASSA_PSS_SHA_256"}}
    provider.put_identity_policy(caller, APP.principal, "signs", allow(condition))
    client = Client(provider, APP)
    for _ in range(2):
        assert client.ask("Sign", KeyId=key, Message=b"x", SigningAlgorithm="RSASSA_PSS_SHA_256")["Signature"]
        with pytest.raises(AccessDeniedException):
            client.ask("Sign", KeyId=key, Message=b"x", SigningAlgorithm="RSASSA_PSS_SHA_512")


def test_another_identity_policy_is_another_answer(provider: SoftKms, caller: Caller) -> None:
    key = provider.create_key(caller, KeyRequest(), token="k").key_id
    own = {"StringEquals": {"kms:EncryptionContext:team": "shop"}}
    provider.put_identity_policy(caller, APP.principal, "uses", allow(own))
    client = Client(provider, APP)
    for _ in range(2):
        assert client.ask("Encrypt", KeyId=key, Plaintext=b"x", EncryptionContext={"team": "shop"})
        with pytest.raises(AccessDeniedException):
            client.ask("Encrypt", KeyId=key, Plaintext=b"x", EncryptionContext={"team": "bank"})
    provider.delete_identity_policy(caller, APP.principal, "uses")
    with pytest.raises(AccessDeniedException):
        client.ask("Encrypt", KeyId=key, Plaintext=b"x", EncryptionContext={"team": "shop"})


def test_each_of_the_requests_parameters_makes_another_question() -> None:
    """Policies can ask for what the record shows."""
    facts = {"context": {"a": "b"}}
    asked = [
        decisions.question(APP, "key", "kms:GenerateDataKey", facts, parameters)
        for parameters in ({}, {"keySpec": "AES_256"}, {"keySpec": "AES_128"}, {"numberOfBytes": 32})
    ]
    assert len(set(asked)) == 4
    assert decisions.question(APP, "key", "kms:CreateGrant", facts, {"operations": ["Decrypt"]}) is None


HERE = Origin(address="192.0.2.1", user_agent="a", access_key_id="A", is_encrypted=True, request_id=bytes(16))
ALIAS = "alias/one"
ASKED: dict[str, tuple[dict[str, Any], str, dict[str, Any]]] = {
    "as it is": ({}, "Encrypt", {}),
    "of another key": ({}, "Encrypt", {"KeyId": "two"}),
    "by an alias": ({}, "Encrypt", {"KeyId": ALIAS}),
    "in another context": ({}, "Encrypt", {"EncryptionContext": {"a": "1", "b": "3"}}),
    "in no context": ({}, "Encrypt", {"EncryptionContext": {}}),
    "a context in another order": ({}, "Encrypt", {"EncryptionContext": {"b": "2", "a": "1"}}),
    "through a service": ({"via_service": "redshift.eu-west-1.amazonaws.com"}, "Encrypt", {}),
    "from the network": ({"origin": HERE}, "Encrypt", {}),
    "from another address": ({"origin": replace(HERE, address="192.0.2.2")}, "Encrypt", {}),
    "with another agent": ({"origin": replace(HERE, user_agent="b")}, "Encrypt", {}),
    "with another credential": ({"origin": replace(HERE, access_key_id="B")}, "Encrypt", {}),
    "in another request": ({"origin": replace(HERE, request_id=bytes(range(16)))}, "Encrypt", {}),
    "as somebody else": ({"principal": f"arn:aws:iam::{ACCOUNT}:role/other"}, "Encrypt", {}),
    "as a trial": ({}, "Encrypt", {"DryRun": True}),
    "of another operation": ({}, "GenerateDataKey", {"KeySpec": "AES_256"}),
    "of another size": ({}, "GenerateDataKey", {"KeySpec": "AES_128"}),
    "without plaintext": ({}, "GenerateDataKeyWithoutPlaintext", {"KeySpec": "AES_256"}),
    "of a ciphertext": ({}, "Decrypt", {"from": "one"}),
    "of a ciphertext that does not open": ({}, "Decrypt", {"from": "damaged"}),
    "from one key": ({}, "ReEncrypt", {"from": "one"}),
    "from another key": ({}, "ReEncrypt", {"from": "two"}),
}


def test_a_record_that_says_what_one_before_it_said_says_what_it_would_have_said_by_itself(
    provider: SoftKms, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = {name: provider.create_key(caller, KeyRequest(), token=name).key_id for name in ("one", "two")}
    provider.create_alias(caller, ALIAS, keys["one"])
    for who in (APP.principal, f"arn:aws:iam::{ACCOUNT}:role/other"):
        provider.put_identity_policy(caller, who, "uses", allow({}))
    blobs = {name: provider.encrypt(caller, key, b"x", {}) for name, key in keys.items()}
    blobs["damaged"] = blobs["one"][:-1] + bytes([blobs["one"][-1] ^ 1])

    def ask(what: str) -> None:
        who, operation, more = ASKED[what]
        members: dict[str, Any] = {"KeyId": keys["one"], "EncryptionContext": {"a": "1", "b": "2"}, **more}
        members["KeyId"] = keys.get(members["KeyId"], members["KeyId"])
        if operation == "Encrypt":
            members["Plaintext"] = b"x"
        elif operation == "Decrypt":
            members = {"CiphertextBlob": blobs[more["from"]]}
        elif operation == "ReEncrypt":
            members = {"CiphertextBlob": blobs[more["from"]], "DestinationKeyId": keys["one"]}
        with suppress(DryRunOperationException, InvalidCiphertextException):
            Client(provider, replace(APP, **who)).ask(operation, **members)

    def told() -> list[dict[str, Any]]:
        found = [event for _, event in provider.audit_events()][-len(asked) :]
        return [{name: value for name, value in event.items() if name not in _EACH_ITS_OWN} for event in found]

    asked = [*ASKED, *reversed(ASKED), *ASKED]
    for what in asked:
        ask(what)
    from_memory = told()
    monkeypatch.setattr(Remembered, "decided", lambda *_: None)
    for what in asked:
        ask(what)
    assert from_memory == told()
    spelled = {what: json.dumps(event) for what, event in zip(asked, from_memory, strict=True)}
    alike = [what for what in ASKED if spelled[what] == spelled["from the network"]]
    assert alike == ["from the network", "in another request"], "which differ in the id of the request alone"
    assert len(set(spelled.values())) == len(ASKED) - 1


_EACH_ITS_OWN = {"eventID", "eventTime", "requestID"}


def test_of_more_decisions_than_are_remembered_the_newer_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "_MOST", 4)
    kept = remembered.Remembered()
    allowed = Decided(Decision(Effect.ALLOW, Source.GRANT, "granted"), "told")
    for question in range(5):
        kept.keep(question, (), allowed)
    assert [question for question in range(5) if kept.decided(question, ())] == [2, 3, 4]


def test_material_that_the_store_keeps_no_more_opens_nothing_in_a_process_that_has_it_open(
    opened: Callable[..., SoftKms], caller: Caller, home: Path
) -> None:
    """A restore undid the rotation that made it."""
    kms = opened()
    key = kms.create_key(caller, KeyRequest(), token="k").key_id
    signing = kms.create_key(caller, KeyRequest(key_spec="ECC_NIST_P256", key_usage="SIGN_VERIFY"), token="s").key_id
    client = Client(kms, caller)
    blob = client.ask("Encrypt", KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    client.ask("Sign", KeyId=signing, Message=b"x", SigningAlgorithm="ECDSA_SHA_256")
    kms.rotate_key(caller, key, token="r")
    assert client.ask("Decrypt", CiphertextBlob=blob)
    with closing(sqlite3.connect(home / "softkms" / ACCOUNT / "eu-west-1" / "keys.db")) as behind, behind:
        behind.execute("DELETE FROM materials WHERE kind = 'CREATED'")
    with pytest.raises(InvalidCiphertextException):
        client.ask("Decrypt", CiphertextBlob=blob)
    with pytest.raises(DamagedStore):
        client.ask("Sign", KeyId=signing, Message=b"x", SigningAlgorithm="ECDSA_SHA_256")
    assert client.ask("Encrypt", KeyId=key, Plaintext=b"x")
