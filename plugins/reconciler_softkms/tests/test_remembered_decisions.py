"""A decision is remembered only where nothing but what the question holds has a part in it; material, for as long as
the store keeps it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from reconciler.access.caller import Caller
from reconciler.errors import AccessDeniedException, DamagedStore, InvalidCiphertextException
from reconciler.providers.keys import KeyRequest
from reconciler_softkms import SoftKms, decisions
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
