"""The forms of the cryptographic operations have the members that the published model has, and its limits."""

from __future__ import annotations

import base64
from contextlib import suppress
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import SerializationException, ServiceError, UnsupportedOperationException, ValidationException
from reconciler_softkms.tests.asking import Client, operation_model
from reconciler_softkms.tests.every_key import KINDS, EveryKey
from reconciler_softkms.wire.answering import operations

OURS = [
    *("Encrypt", "Decrypt", "ReEncrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "GenerateDataKeyPair"),
    *("GenerateDataKeyPairWithoutPlaintext", "GenerateRandom", "GenerateMac", "VerifyMac", "Sign", "Verify"),
    *("GetPublicKey", "DeriveSharedSecret"),
]


@pytest.mark.parametrize("name", OURS)
def test_a_form_has_the_members_of_the_published_model(name: str) -> None:
    model = operation_model(name).input_shape
    fields = {field.alias: field for field in operations()[name].form.model_fields.values()}
    assert set(fields) == set(model.members)
    required = {alias for alias, field in fields.items() if field.is_required()}
    assert required == set(model.required_members)


@pytest.mark.parametrize("name", OURS)
def test_a_form_knows_every_value_that_the_model_lists(name: str) -> None:
    """So that a value of a key spec that is not here is refused for what it is."""
    model = operation_model(name).input_shape
    for field in operations()[name].form.model_fields.values():
        listed = getattr(model.members[field.alias], "enum", [])
        if listed:
            known = get_args(field.annotation)
            known = get_args(known[0]) if known and get_args(known[0]) else known
            assert set(known) == set(listed), field.alias


def blob_limits() -> list[tuple[str, str, int]]:
    found = []
    for name in OURS:
        shape = operation_model(name).input_shape
        for member, inner in shape.members.items():
            if inner.type_name == "blob":
                found.append((name, member, inner.metadata["max"]))
    return found


FILLED: dict[str, Any] = {
    "KeyId": "alias/none",
    "DestinationKeyId": "alias/none",
    "NumberOfBytes": 16,
    "KeyPairSpec": "ECC_NIST_P256",
    "MacAlgorithm": "HMAC_SHA_256",
    "SigningAlgorithm": "ECDSA_SHA_256",
    "KeyAgreementAlgorithm": "ECDH",
    **dict.fromkeys(("Plaintext", "CiphertextBlob", "Message", "Mac", "Signature", "PublicKey"), b"x"),
}


def filled(name: str) -> dict[str, Any]:
    shape = operation_model(name).input_shape
    needed = set(shape.required_members)
    if name in {"Decrypt", "ReEncrypt"}:
        needed.add("CiphertextBlob")
    if name == "GenerateRandom" or (name.startswith("GenerateDataKey") and "Pair" not in name):
        needed.add("NumberOfBytes")
    return {member: FILLED[member] for member in needed}


@pytest.fixture
def client(provider: Any, caller: Any) -> Client:
    return Client(provider, caller)


@pytest.mark.parametrize(("name", "member", "most"), blob_limits(), ids=str)
def test_a_blob_is_as_long_as_the_model_lets_it_be(client: Client, name: str, member: str, most: int) -> None:
    for length in (0, most + 1):
        with pytest.raises(ValidationException, match=f"'{member[0].lower()}{member[1:]}' failed to satisfy"):
            client.ask(name, **filled(name) | {member: bytes(length)})


WRONG = [
    ("a number for a key", {"KeyId": 7}),
    ("a list for a blob", {"Plaintext": []}),
    ("text that is no base64", {"Plaintext": "%%%"}),
    ("base64 without its padding", {"Plaintext": "QUI"}),
    ("a list for a context", {"EncryptionContext": ["a"]}),
    ("a number in a context", {"EncryptionContext": {"a": 1}}),
    ("text for tokens", {"GrantTokens": "token"}),
    ("text for a flag", {"DryRun": "true"}),
]


@pytest.mark.parametrize("members", [members for _, members in WRONG], ids=[name for name, _ in WRONG])
def test_another_type_is_refused_and_never_repeated(client: Client, members: dict[str, Any]) -> None:
    with pytest.raises(SerializationException) as refused:
        client.ask("Encrypt", **{"KeyId": "alias/none", "Plaintext": b"secret", **members})
    assert "c2VjcmV0" not in str(refused.value)


INVALID = [
    ("Encrypt", {"KeyId": ""}, "'keyId'"),
    ("Encrypt", {"KeyId": "x" * 2049}, "'keyId'"),
    ("Encrypt", {"EncryptionAlgorithm": "ROT13"}, "'encryptionAlgorithm'"),
    ("Encrypt", {"GrantTokens": ["x"] * 11}, "'grantTokens'"),
    ("Encrypt", {"GrantTokens": [""]}, "'grantTokens.1.member'"),
    ("Sign", {"SigningAlgorithm": "ECDSA"}, "'signingAlgorithm'"),
    ("Sign", {"MessageType": "HASH"}, "'messageType'"),
    ("GenerateMac", {"MacAlgorithm": "HMAC_MD5"}, "'macAlgorithm'"),
    ("GenerateDataKey", {"NumberOfBytes": 0}, "'numberOfBytes'"),
    ("GenerateDataKey", {"NumberOfBytes": 1025}, "'numberOfBytes'"),
    ("GenerateDataKey", {"KeySpec": "AES_256"}, "either number of bytes or key spec"),
    ("GenerateDataKey", {"NumberOfBytes": None}, "either number of bytes or key spec"),
    ("GenerateDataKey", {"KeySpec": "AES_512", "NumberOfBytes": None}, "'keySpec'"),
    ("GenerateDataKeyPair", {"KeyPairSpec": "RSA_1024"}, "'keyPairSpec'"),
    ("GenerateRandom", {"NumberOfBytes": 1025}, "'numberOfBytes'"),
    ("GenerateRandom", {"NumberOfBytes": None}, "NumberOfBytes is required"),
    ("DeriveSharedSecret", {"KeyAgreementAlgorithm": "DH"}, "'keyAgreementAlgorithm'"),
    ("Decrypt", {"DryRunModifiers": ["IGNORE_ALL"]}, "'dryRunModifiers.1.member'"),
    ("Decrypt", {"CiphertextBlob": None}, "'ciphertextBlob'"),
]


@pytest.mark.parametrize(("name", "members", "told"), INVALID, ids=lambda value: str(value)[:40])
def test_a_value_outside_the_form_is_told_by_its_member(
    client: Client, name: str, members: dict[str, Any], told: str
) -> None:
    with pytest.raises(ValidationException, match=told):
        client.ask(name, **filled(name) | members)


@pytest.mark.parametrize("name", OURS)
def test_whatever_must_be_there_is_asked_for(client: Client, name: str) -> None:
    for member in operation_model(name).input_shape.required_members:
        members = filled(name)
        del members[member]
        with pytest.raises(ValidationException, match=f"'{member[0].lower()}{member[1:]}' .* must not be null"):
            client.ask(name, **members)


@pytest.mark.parametrize("name", [name for name in OURS if "Recipient" in operation_model(name).input_shape.members])
def test_an_answer_for_an_enclave_is_refused_and_not_given_in_clear(client: Client, name: str) -> None:
    recipient = {"KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256", "AttestationDocument": "eA=="}
    with pytest.raises(UnsupportedOperationException, match="Recipient"):
        client.ask(name, **filled(name), Recipient=recipient)
    with pytest.raises(ServiceError) if name != "GenerateRandom" else pytest.raises(KeyError):
        client.ask(name, **filled(name), Recipient=None)["nothing"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.parametrize("name", OURS)
@given(data=st.data())
def test_whatever_is_asked_is_answered_or_refused_by_name(every_key: EveryKey, name: str, data: st.DataObject) -> None:
    members = {
        key: base64.b64encode(value).decode() if isinstance(value, bytes) else value
        for key, value in filled(name).items()
    }
    members |= {"KeyId": data.draw(st.sampled_from([f"alias/{kind}" for kind in KINDS]))}
    wrong = data.draw(st.dictionaries(st.sampled_from(sorted(operation_model(name).input_shape.members)), JSON))
    with suppress(ServiceError):
        assert every_key.provider.answer(every_key.caller, name, members | wrong)


@pytest.mark.parametrize("name", OURS)
def test_a_form_prints_without_its_blobs(name: str) -> None:
    members = {key: "QUI=" if isinstance(value, bytes) else value for key, value in filled(name).items()}
    form = operations()[name].form.model_validate(members)
    assert "AB" not in repr(form) + str(form)
