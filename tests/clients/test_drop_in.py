"""Somebody else's test suite: ``serve --ephemeral``, emptied between tests, knows nothing of the test before."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.clients.server import Server, running


@pytest.fixture(scope="module")
def own() -> Iterator[Server]:
    with running() as made:
        yield made


@pytest.fixture
def client(own: Server) -> Any:
    own.reset()
    return own.client(region="us-east-1")


@pytest.mark.parametrize("turn", range(3))
def test_each_test_starts_with_nothing(client: Any, turn: int) -> None:
    assert client.list_keys()["Keys"] == []
    key = client.create_key(Description=f"turn {turn}")["KeyMetadata"]
    client.create_alias(AliasName="alias/the-only-one", TargetKeyId=key["KeyId"])
    assert client.list_keys()["Keys"] == [{"KeyId": key["KeyId"], "KeyArn": key["Arn"]}]


def test_a_ciphertext_from_before_does_not_open(own: Server, client: Any) -> None:
    key_id = client.create_key()["KeyMetadata"]["KeyId"]
    sealed = client.encrypt(KeyId=key_id, Plaintext=b"x")["CiphertextBlob"]
    own.reset()
    with pytest.raises(client.exceptions.ClientError):
        client.decrypt(CiphertextBlob=sealed)
    with pytest.raises(client.exceptions.NotFoundException):
        client.describe_key(KeyId=key_id)
