"""Keys, aliases, tags, deletion, rotation and multi-Region keys in the public API's words (KM1, KM10)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from reconciler.access.caller import Caller
from reconciler.errors import (
    AccessDeniedException,
    AlreadyExistsException,
    ConflictException,
    InvalidArnException,
    InvalidMarkerException,
    KMSInvalidStateException,
    LimitExceededException,
    MalformedPolicyDocumentException,
    NotAuthorizedException,
    NotFoundException,
    SerializationException,
    ServiceError,
    TagException,
    UnsupportedOperationException,
    ValidationException,
)
from reconciler.testing.fakes import ManualClock
from reconciler_softkms import SoftKms
from reconciler_softkms.tests.asking import Client
from reconciler_softkms.tests.conftest import ACCOUNT, ADMINISTRATOR, REGION, Opened

NOBODY = f"arn:aws:iam::{ACCOUNT}:role/nobody"
LOCKED_OUT = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"AWS": NOBODY}, "Action": "kms:*", "Resource": "*"}],
}
ABSENT = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def client(provider: SoftKms, caller: Caller) -> Client:
    return Client(provider, caller)


def new(client: Client, **members: Any) -> dict[str, Any]:
    found: dict[str, Any] = client.ask("CreateKey", **members)["KeyMetadata"]
    return found


ALGORITHMS: dict[tuple[str, str], dict[str, list[str]]] = {
    ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT"): {"EncryptionAlgorithms": ["SYMMETRIC_DEFAULT"]},
    ("ECC_NIST_P384", "SIGN_VERIFY"): {"SigningAlgorithms": ["ECDSA_SHA_384"]},
    ("ECC_SECG_P256K1", "SIGN_VERIFY"): {"SigningAlgorithms": ["ECDSA_SHA_256"]},
    ("ECC_NIST_P256", "KEY_AGREEMENT"): {"KeyAgreementAlgorithms": ["ECDH"]},
    ("HMAC_512", "GENERATE_VERIFY_MAC"): {"MacAlgorithms": ["HMAC_SHA_512"]},
    ("RSA_2048", "ENCRYPT_DECRYPT"): {"EncryptionAlgorithms": ["RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256"]},
}


@pytest.mark.parametrize(("spec", "usage"), ALGORITHMS)
def test_a_new_key_in_all_its_members(client: Client, clock: ManualClock, spec: str, usage: str) -> None:
    found = new(client, KeySpec=spec, KeyUsage=usage, Description="orders")
    material = {"CurrentKeyMaterialId": found["CurrentKeyMaterialId"]} if spec == "SYMMETRIC_DEFAULT" else {}
    assert found == {
        "AWSAccountId": ACCOUNT,
        "KeyId": found["KeyId"],
        "Arn": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{found['KeyId']}",
        "CreationDate": clock.now().timestamp(),
        "Enabled": True,
        "Description": "orders",
        "KeyUsage": usage,
        "KeyState": "Enabled",
        "Origin": "AWS_KMS",
        "KeyManager": "CUSTOMER",
        "CustomerMasterKeySpec": spec,
        "KeySpec": spec,
        "MultiRegion": False,
        **ALGORITHMS[spec, usage],
        **material,
    }
    assert client.ask("DescribeKey", KeyId=found["Arn"])["KeyMetadata"] == found


def test_two_calls_make_two_keys(client: Client) -> None:
    assert new(client)["KeyId"] != new(client)["KeyId"]


TAG = {"TagKey": "a", "TagValue": "1"}
REFUSED: dict[str, tuple[dict[str, Any], type[ServiceError]]] = {
    "both names of the spec": ({"KeySpec": "RSA_2048", "CustomerMasterKeySpec": "RSA_2048"}, ValidationException),
    "no usage": ({"KeySpec": "ECC_NIST_P256"}, ValidationException),
    "no usage of an HMAC key": ({"KeySpec": "HMAC_256"}, ValidationException),
    "another usage": ({"KeyUsage": "SIGN_VERIFY"}, ValidationException),
    "no such spec": ({"KeySpec": "DES"}, ValidationException),
    "a spec that is not here": ({"KeySpec": "SM2", "KeyUsage": "SIGN_VERIFY"}, UnsupportedOperationException),
    "a newer spec": ({"KeySpec": "ML_DSA_44", "KeyUsage": "SIGN_VERIFY"}, UnsupportedOperationException),
    "another origin": ({"Origin": "AWS_CLOUDHSM"}, UnsupportedOperationException),
    "a custom key store": ({"CustomKeyStoreId": "cks-1"}, UnsupportedOperationException),
    "an external key": ({"XksKeyId": "x"}, UnsupportedOperationException),
    "a policy that is no JSON": ({"Policy": "{"}, MalformedPolicyDocumentException),
    "a policy that locks out": ({"Policy": json.dumps(LOCKED_OUT)}, MalformedPolicyDocumentException),
    "a reserved tag": ({"Tags": [{"TagKey": "aws:a", "TagValue": ""}]}, TagException),
    "a tag twice": ({"Tags": [TAG, TAG]}, TagException),
    "51 tags": ({"Tags": [{"TagKey": str(n), "TagValue": ""} for n in range(51)]}, TagException),
    "a tag without value": ({"Tags": [{"TagKey": "a"}]}, ValidationException),
    "a long description": ({"Description": "x" * 8193}, ValidationException),
    "a number for a text": ({"Description": 1}, SerializationException),
    "a text for a truth": ({"MultiRegion": "true"}, SerializationException),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_no_key_is_made_of(client: Client, what: str) -> None:
    members, error = REFUSED[what]
    with pytest.raises(error):
        client.ask("CreateKey", **members)
    assert client.ask("ListKeys")["Keys"] == []


def test_whoever_bypasses_the_check_may_lock_itself_out(client: Client) -> None:
    key = new(client, Policy=json.dumps(LOCKED_OUT), BypassPolicyLockoutSafetyCheck=True)
    with pytest.raises(AccessDeniedException):
        client.ask("DescribeKey", KeyId=key["KeyId"])


def test_keys_are_listed_by_the_page(client: Client) -> None:
    made = sorted(new(client)["KeyId"] for _ in range(5))
    found: list[str] = []
    marker: dict[str, Any] = {}
    for count in (2, 2, 1):
        page = client.ask("ListKeys", Limit=2, **marker)
        assert (len(page["Keys"]), page["Truncated"]) == (count, count == 2)
        found += [key["KeyId"] for key in page["Keys"]]
        marker = {"Marker": page.get("NextMarker")}
    assert found == made
    assert "NextMarker" not in page


@pytest.mark.parametrize("marker", ["x", "AAAA", "e30=", "of another list"])
def test_a_marker_that_was_not_given_out(client: Client, marker: str) -> None:
    for _ in range(2):
        new(client)
    if marker == "of another list":
        key = new(client)["KeyId"]
        client.ask("TagResource", KeyId=key, Tags=[TAG, {"TagKey": "b", "TagValue": ""}])
        marker = client.ask("ListResourceTags", KeyId=key, Limit=1)["NextMarker"]
    with pytest.raises(InvalidMarkerException):
        client.ask("ListKeys", Marker=marker)


@pytest.mark.parametrize("limit", [0, 1001])
def test_a_page_has_1_to_1000_entries(client: Client, limit: int) -> None:
    for operation in ("ListKeys", "ListAliases"):
        with pytest.raises(ValidationException):
            client.ask(operation, Limit=limit)


def test_aliases_as_the_public_api_has_them(client: Client, clock: ManualClock) -> None:
    first, second = new(client)["KeyId"], new(client)["KeyId"]
    created = clock.now().timestamp()
    for name in ("alias/b", "alias/a"):
        assert client.ask("CreateAlias", AliasName=name, TargetKeyId=first) == {}
    with pytest.raises(AlreadyExistsException):
        client.ask("CreateAlias", AliasName="alias/a", TargetKeyId=first)
    clock.advance(minutes=1)
    client.ask("UpdateAlias", AliasName="alias/b", TargetKeyId=second)
    listed = client.ask("ListAliases")["Aliases"]
    assert listed == [
        {
            "AliasName": name,
            "AliasArn": f"arn:aws:kms:{REGION}:{ACCOUNT}:{name}",
            "TargetKeyId": key,
            "CreationDate": created,
            "LastUpdatedDate": updated,
        }
        for name, key, updated in (("alias/a", first, created), ("alias/b", second, created + 60))
    ]
    assert client.ask("ListAliases", KeyId=second)["Aliases"] == listed[1:]
    page = client.ask("ListAliases", Limit=1)
    assert client.ask("ListAliases", Marker=page["NextMarker"])["Aliases"] == listed[1:]
    client.ask("DeleteAlias", AliasName="alias/a")
    for operation, more in (("DeleteAlias", {}), ("UpdateAlias", {"TargetKeyId": first})):
        with pytest.raises(NotFoundException):
            client.ask(operation, AliasName="alias/a", **more)
    with pytest.raises(NotAuthorizedException):
        client.ask("CreateAlias", AliasName="alias/aws/mine", TargetKeyId=first)
    with pytest.raises(ValidationException):
        client.ask("CreateAlias", AliasName="alias/a b", TargetKeyId=first)


def test_a_key_that_a_service_owns_has_an_alias_of_the_service(client: Client) -> None:
    client.provider.owned_key(client.caller.via("redshift.amazonaws.com"), "redshift.amazonaws.com")
    found = client.ask("DescribeKey", KeyId="alias/aws/redshift")["KeyMetadata"]
    assert found["KeyManager"] == "AWS"
    (alias,) = client.ask("ListAliases")["Aliases"]
    assert (alias["AliasName"], alias["TargetKeyId"]) == ("alias/aws/redshift", found["KeyId"])
    assert client.ask("ListKeys")["Keys"] == []
    stranger = Client(client.provider, Caller(principal=NOBODY, account=ACCOUNT))
    with pytest.raises(AccessDeniedException):
        stranger.ask("DescribeKey", KeyId="alias/aws/redshift")
    with pytest.raises(NotFoundException):
        client.ask("DescribeKey", KeyId="alias/aws/cassandra")


def test_tags_by_the_page(client: Client) -> None:
    key = new(client, Tags=[TAG])["KeyId"]
    client.ask("TagResource", KeyId=key, Tags=[{"TagKey": "b", "TagValue": ""}, {"TagKey": "a", "TagValue": "2"}])
    first = client.ask("ListResourceTags", KeyId=key, Limit=1)
    assert (first["Tags"], first["Truncated"]) == ([{"TagKey": "a", "TagValue": "2"}], True)
    rest = client.ask("ListResourceTags", KeyId=key, Marker=first["NextMarker"])
    assert (rest["Tags"], rest["Truncated"]) == ([{"TagKey": "b", "TagValue": ""}], False)
    client.ask("UntagResource", KeyId=key, TagKeys=["a", "none"])
    assert client.ask("ListResourceTags", KeyId=key)["Tags"] == rest["Tags"]
    with pytest.raises(TagException):
        client.ask("UntagResource", KeyId=key, TagKeys=["aws:x"])


def test_a_deletion_is_scheduled_once_and_cancelled_once(client: Client, clock: ManualClock) -> None:
    arn = new(client)["Arn"]
    for days in (6, 31):
        with pytest.raises(ValidationException):
            client.ask("ScheduleKeyDeletion", KeyId=arn, PendingWindowInDays=days)
    date = clock.now().timestamp() + 30 * 86400
    assert client.ask("ScheduleKeyDeletion", KeyId=arn) == {
        "KeyId": arn,
        "DeletionDate": date,
        "KeyState": "PendingDeletion",
        "PendingWindowInDays": 30,
    }
    found = client.ask("DescribeKey", KeyId=arn)["KeyMetadata"]
    assert (found["DeletionDate"], found["Enabled"], found["KeyState"]) == (date, False, "PendingDeletion")
    assert "PendingDeletionWindowInDays" not in found
    with pytest.raises(KMSInvalidStateException):
        client.ask("ScheduleKeyDeletion", KeyId=arn)
    assert client.ask("CancelKeyDeletion", KeyId=arn) == {"KeyId": arn}
    assert client.ask("DescribeKey", KeyId=arn)["KeyMetadata"]["KeyState"] == "Disabled"
    with pytest.raises(KMSInvalidStateException):
        client.ask("CancelKeyDeletion", KeyId=arn)


def test_how_a_key_rotates_by_itself(client: Client, clock: ManualClock) -> None:
    arn = new(client)["Arn"]
    assert client.ask("GetKeyRotationStatus", KeyId=arn) == {"KeyRotationEnabled": False, "KeyId": arn}
    for days in (89, 2561):
        with pytest.raises(ValidationException):
            client.ask("EnableKeyRotation", KeyId=arn, RotationPeriodInDays=days)
    client.ask("EnableKeyRotation", KeyId=arn)
    assert client.ask("GetKeyRotationStatus", KeyId=arn)["RotationPeriodInDays"] == 365
    client.ask("EnableKeyRotation", KeyId=arn, RotationPeriodInDays=90)
    due = clock.now().timestamp() + 90 * 86400
    assert client.ask("GetKeyRotationStatus", KeyId=arn)["NextRotationDate"] == due
    sealed = client.ask("Encrypt", KeyId=arn, Plaintext=b"text")["CiphertextBlob"]
    clock.advance(days=90)
    assert client.ask("ListKeyRotations", KeyId=arn)["Rotations"] == [], "looking rotates nothing"
    before = client.ask("Decrypt", CiphertextBlob=sealed)["KeyMaterialId"]
    fresh = client.ask("GenerateDataKey", KeyId=arn, KeySpec="AES_256")["KeyMaterialId"]
    assert fresh != before
    (rotation,) = client.ask("ListKeyRotations", KeyId=arn)["Rotations"]
    assert rotation == {
        "KeyId": arn,
        "KeyMaterialId": fresh,
        "KeyMaterialState": "CURRENT",
        "RotationDate": due,
        "RotationType": "AUTOMATIC",
    }
    assert client.ask("GetKeyRotationStatus", KeyId=arn)["NextRotationDate"] == due + 90 * 86400
    with pytest.raises(ConflictException):
        client.ask("RotateKeyOnDemand", KeyId=arn)
    clock.advance(minutes=21)
    client.ask("RotateKeyOnDemand", KeyId=arn)
    assert client.ask("GetKeyRotationStatus", KeyId=arn)["NextRotationDate"] == due + 90 * 86400
    every = client.ask("ListKeyRotations", KeyId=arn, IncludeKeyMaterial="ALL_KEY_MATERIAL")["Rotations"]
    assert [one["KeyMaterialState"] for one in every] == ["NON_CURRENT", "NON_CURRENT", "CURRENT"]
    assert [one.get("RotationType") for one in every] == [None, "AUTOMATIC", "ON_DEMAND"]
    names = [event["eventName"] for _, event in client.provider.audit_events()]
    assert names.count("RotateKey") == 1


def test_25_rotations_on_demand(client: Client, clock: ManualClock) -> None:
    key = new(client)["KeyId"]
    for _ in range(25):
        clock.advance(minutes=1)
        client.ask("RotateKeyOnDemand", KeyId=key)
    with pytest.raises(LimitExceededException):
        client.ask("RotateKeyOnDemand", KeyId=key)
    page = client.ask("ListKeyRotations", KeyId=key, Limit=24)
    assert len(page["Rotations"]) == 24
    assert len(client.ask("ListKeyRotations", KeyId=key, Marker=page["NextMarker"])["Rotations"]) == 1


@pytest.mark.parametrize(
    "members",
    [
        {"KeySpec": "HMAC_256", "KeyUsage": "GENERATE_VERIFY_MAC"},
        {"KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY"},
    ],
    ids=lambda members: str(members["KeySpec"]),
)
def test_only_symmetric_keys_rotate(client: Client, members: dict[str, str]) -> None:
    key = new(client, **members)["KeyId"]
    for operation in ("EnableKeyRotation", "RotateKeyOnDemand", "GetKeyRotationStatus", "ListKeyRotations"):
        with pytest.raises(UnsupportedOperationException):
            client.ask(operation, KeyId=key)


def test_a_key_of_several_regions_in_its_members(client: Client, opened: Opened, caller: Caller) -> None:
    primary = new(client, MultiRegion=True)
    assert primary["KeyId"].startswith("mrk-")
    there = primary["Arn"].replace(REGION, "us-east-1")
    own = {"Description": "there", "Tags": [TAG]}
    made = client.ask("ReplicateKey", KeyId=primary["KeyId"], ReplicaRegion="us-east-1", **own)
    regions = {
        "PrimaryKey": {"Arn": primary["Arn"], "Region": REGION},
        "ReplicaKeys": [{"Arn": there, "Region": "us-east-1"}],
    }
    replica = made["ReplicaKeyMetadata"]
    assert (replica["Arn"], replica["Description"], made["ReplicaTags"]) == (there, "there", [TAG])
    assert replica["MultiRegionConfiguration"] == {"MultiRegionKeyType": "REPLICA", **regions}
    assert json.loads(made["ReplicaPolicy"])["Id"] == "key-default-1"
    found = client.ask("DescribeKey", KeyId=primary["Arn"])["KeyMetadata"]
    assert found["MultiRegionConfiguration"] == {"MultiRegionKeyType": "PRIMARY", **regions}
    elsewhere = Client(opened(region="us-east-1"), caller)
    assert elsewhere.ask("DescribeKey", KeyId=there)["KeyMetadata"] == replica
    with pytest.raises(NotFoundException):
        client.ask("DescribeKey", KeyId=there)
    client.ask("ScheduleKeyDeletion", KeyId=primary["Arn"], PendingWindowInDays=9)
    waiting = client.ask("DescribeKey", KeyId=primary["Arn"])["KeyMetadata"]
    assert (waiting["KeyState"], waiting["PendingDeletionWindowInDays"]) == ("PendingReplicaDeletion", 9)
    assert "DeletionDate" not in waiting
    client.ask("CancelKeyDeletion", KeyId=primary["Arn"])
    assert client.ask("DescribeKey", KeyId=primary["Arn"])["KeyMetadata"]["KeyState"] == "Disabled"


def test_a_replica_of_another_account_is_nobodys(client: Client) -> None:
    key = new(client, MultiRegion=True)["KeyId"]
    with pytest.raises(ValidationException):
        client.ask("ReplicateKey", KeyId=key, ReplicaRegion="nowhere")
    with pytest.raises(MalformedPolicyDocumentException):
        client.ask("ReplicateKey", KeyId=key, ReplicaRegion="us-east-1", Policy=json.dumps(LOCKED_OUT))
    found = client.ask("DescribeKey", KeyId=key)["KeyMetadata"]
    assert found["MultiRegionConfiguration"]["ReplicaKeys"] == []


def test_when_a_key_was_last_used(client: Client, clock: ManualClock) -> None:
    key, other = new(client), new(client)
    created = key["CreationDate"]
    nothing = client.ask("GetKeyLastUsage", KeyId=key["KeyId"])
    assert nothing == {
        "KeyId": key["Arn"],
        "KeyLastUsage": {},
        "TrackingStartDate": created,
        "KeyCreationDate": created,
    }
    clock.advance(minutes=1)
    sealed = client.ask("Encrypt", KeyId=key["KeyId"], Plaintext=b"x")["CiphertextBlob"]
    clock.advance(minutes=1)
    client.ask("ReEncrypt", CiphertextBlob=sealed, DestinationKeyId=other["Arn"])
    clock.advance(minutes=1)
    with pytest.raises(ServiceError):
        client.ask("Decrypt", CiphertextBlob=sealed, EncryptionContext={"another": "one"})
    client.ask("DescribeKey", KeyId=key["Arn"])
    for one in (key, other):
        last = client.ask("GetKeyLastUsage", KeyId=one["KeyId"])["KeyLastUsage"]
        assert (last["Operation"], last["Timestamp"]) == ("ReEncrypt", created + 120)
        ids = {event["eventID"]: event["requestID"] for _, event in client.provider.audit_events()}
        assert ids[last["CloudTrailEventId"]] == last["KmsRequestId"]


@pytest.mark.parametrize(
    "operation", ["DescribeKey", "EnableKey", "DisableKey", "CancelKeyDeletion", "ListKeyRotations"]
)
def test_a_key_that_is_not_there(client: Client, operation: str) -> None:
    new(client)
    with pytest.raises(NotFoundException, match=ABSENT):
        client.ask(operation, KeyId=ABSENT)
    with pytest.raises(InvalidArnException):
        client.ask(operation, KeyId="arn:aws:kms:x")
    stranger = Client(client.provider, Caller(principal=NOBODY, account=ACCOUNT))
    with pytest.raises(AccessDeniedException, match=f"kms:{operation}"):
        stranger.ask(operation, KeyId=new(client)["Arn"])
    assert ADMINISTRATOR != NOBODY
