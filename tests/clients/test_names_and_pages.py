"""Keys by any of their names, ARNs wherever the public API answers ARNs, and lists by the page."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.clients import keys
from tests.clients.server import ACCOUNT, REGION, Server, arn_of

ALGORITHMS = {
    ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT"): {"EncryptionAlgorithms": ["SYMMETRIC_DEFAULT"]},
    ("RSA_2048", "ENCRYPT_DECRYPT"): {"EncryptionAlgorithms": ["RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256"]},
    ("RSA_2048", "SIGN_VERIFY"): {
        "SigningAlgorithms": [
            f"{scheme}_SHA_{bits}" for scheme in ("RSASSA_PKCS1_V1_5", "RSASSA_PSS") for bits in (256, 384, 512)
        ]
    },
    ("ECC_NIST_P256", "SIGN_VERIFY"): {"SigningAlgorithms": ["ECDSA_SHA_256"]},
    ("ECC_NIST_P384", "SIGN_VERIFY"): {"SigningAlgorithms": ["ECDSA_SHA_384"]},
    ("ECC_NIST_P521", "SIGN_VERIFY"): {"SigningAlgorithms": ["ECDSA_SHA_512"]},
    ("ECC_SECG_P256K1", "SIGN_VERIFY"): {"SigningAlgorithms": ["ECDSA_SHA_256"]},
    ("ECC_NIST_P256", "KEY_AGREEMENT"): {"KeyAgreementAlgorithms": ["ECDH"]},
    **{
        (f"HMAC_{bits}", "GENERATE_VERIFY_MAC"): {"MacAlgorithms": [f"HMAC_SHA_{bits}"]}
        for bits in (224, 256, 384, 512)
    },
}
NAMES_OF_ALGORITHMS = ("EncryptionAlgorithms", "SigningAlgorithms", "KeyAgreementAlgorithms", "MacAlgorithms")


@pytest.mark.parametrize(("key_spec", "key_usage"), ALGORITHMS)
def test_a_key_tells_its_algorithms_and_no_others(kms: Any, key_spec: str, key_usage: str) -> None:
    made = kms.create_key(KeySpec=key_spec, KeyUsage=key_usage)["KeyMetadata"]
    told = {name: sorted(made[name]) for name in NAMES_OF_ALGORITHMS if name in made}
    assert told == ALGORITHMS[key_spec, key_usage]
    assert made["KeySpec"] == made["CustomerMasterKeySpec"] == key_spec
    assert kms.describe_key(KeyId=made["KeyId"])["KeyMetadata"] == made


def test_what_a_new_key_is(kms: Any) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    made = kms.create_key()["KeyMetadata"]
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", made["KeyId"])
    assert re.fullmatch(r"[0-9a-f]{64}", made["CurrentKeyMaterialId"])
    assert before <= made["CreationDate"] <= datetime.now(UTC) + timedelta(seconds=1)
    expected = {
        "AWSAccountId": ACCOUNT,
        "Arn": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{made['KeyId']}",
        "Enabled": True,
        "Description": "",
        "KeyUsage": "ENCRYPT_DECRYPT",
        "KeyState": "Enabled",
        "Origin": "AWS_KMS",
        "KeyManager": "CUSTOMER",
        "CustomerMasterKeySpec": "SYMMETRIC_DEFAULT",
        "KeySpec": "SYMMETRIC_DEFAULT",
        "EncryptionAlgorithms": ["SYMMETRIC_DEFAULT"],
        "MultiRegion": False,
    }
    assert {name: made[name] for name in expected} == expected
    assert set(made) == {*expected, "KeyId", "CreationDate", "CurrentKeyMaterialId"}


def test_the_old_name_of_the_spec_is_taken(kms: Any) -> None:
    made = kms.create_key(CustomerMasterKeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]
    assert made["KeySpec"] == "ECC_NIST_P256"


def test_a_multi_region_key_has_its_kind_of_id(kms: Any) -> None:
    made = kms.create_key(MultiRegion=True)["KeyMetadata"]
    assert re.fullmatch(r"mrk-[0-9a-f]{32}", made["KeyId"])
    assert made["MultiRegionConfiguration"] == {
        "MultiRegionKeyType": "PRIMARY",
        "PrimaryKey": {"Arn": made["Arn"], "Region": REGION},
        "ReplicaKeys": [],
    }


def test_cryptography_takes_each_name_and_answers_the_arn(kms: Any) -> None:
    key_id = keys.made(kms)
    arn, alias = keys.arn(kms, key_id), f"alias/names/{key_id}"
    kms.create_alias(AliasName=alias, TargetKeyId=key_id)
    names = (key_id, arn, alias, f"arn:aws:kms:{REGION}:{ACCOUNT}:{alias}")
    sealed = kms.encrypt(KeyId=key_id, Plaintext=b"x")["CiphertextBlob"]
    for name in names:
        answers = (
            kms.encrypt(KeyId=name, Plaintext=b"x"),
            kms.decrypt(KeyId=name, CiphertextBlob=sealed),
            kms.generate_data_key(KeyId=name, KeySpec="AES_256"),
            kms.generate_data_key_without_plaintext(KeyId=name, KeySpec="AES_256"),
            kms.generate_data_key_pair_without_plaintext(KeyId=name, KeyPairSpec="ECC_NIST_P256"),
            kms.re_encrypt(CiphertextBlob=sealed, DestinationKeyId=name, SourceKeyId=name),
        )
        assert [answer["KeyId"] for answer in answers] == [arn] * len(answers)
        assert kms.describe_key(KeyId=name)["KeyMetadata"]["KeyId"] == key_id
    for name in (key_id, arn):
        assert kms.rotate_key_on_demand(KeyId=name)["KeyId"] in (key_id, arn)
        assert kms.get_key_rotation_status(KeyId=name)["KeyId"] in (key_id, arn)
    when = kms.schedule_key_deletion(KeyId=key_id, PendingWindowInDays=7)
    assert when["KeyId"] == arn
    assert kms.cancel_key_deletion(KeyId=key_id)["KeyId"] == arn


def test_a_deletion_is_due_to_the_second(kms: Any) -> None:
    key_id = keys.made(kms)
    before = datetime.now(UTC)
    told = kms.schedule_key_deletion(KeyId=key_id, PendingWindowInDays=8)
    assert (told["KeyState"], told["PendingWindowInDays"]) == ("PendingDeletion", 8)
    assert abs(told["DeletionDate"] - before - timedelta(days=8)) < timedelta(seconds=5)
    described = kms.describe_key(KeyId=key_id)["KeyMetadata"]
    assert described["DeletionDate"] == told["DeletionDate"]
    assert (described["Enabled"], described["KeyState"]) == (False, "PendingDeletion")
    kms.cancel_key_deletion(KeyId=key_id)
    described = kms.describe_key(KeyId=key_id)["KeyMetadata"]
    assert (described["Enabled"], described["KeyState"], "DeletionDate" in described) == (False, "Disabled", False)
    assert kms.schedule_key_deletion(KeyId=key_id)["PendingWindowInDays"] == 30


def test_an_alias_of_its_own_account(kms: Any) -> None:
    first, second = keys.made(kms), keys.made(kms)
    name = f"alias/team/{first}"
    kms.create_alias(AliasName=name, TargetKeyId=first)
    (told,) = kms.list_aliases(KeyId=first)["Aliases"]
    assert (told["AliasName"], told["TargetKeyId"]) == (name, first)
    assert told["AliasArn"] == f"arn:aws:kms:{REGION}:{ACCOUNT}:{name}"
    kms.update_alias(AliasName=name, TargetKeyId=keys.arn(kms, second))
    assert kms.list_aliases(KeyId=first)["Aliases"] == []
    (moved,) = kms.list_aliases(KeyId=keys.arn(kms, second))["Aliases"]
    assert moved["CreationDate"] == told["CreationDate"] <= moved["LastUpdatedDate"]
    kms.delete_alias(AliasName=name)
    with pytest.raises(kms.exceptions.NotFoundException):
        kms.describe_key(KeyId=name)


class TestPages:
    def paged(self, kms: Any, name: str, member: str, **asked: Any) -> list[Any]:
        """All items, by pages of two; none comes twice."""
        pages = list(kms.get_paginator(name).paginate(**asked, PaginationConfig={"PageSize": 2}))
        items = [item for page in pages for item in page[member]]
        assert all(len(page[member]) <= 2 for page in pages)
        assert all(page["Truncated"] for page in pages[:-1])
        assert pages[-1]["Truncated"] is False
        assert "NextMarker" not in pages[-1]
        assert len({repr(item) for item in items}) == len(items)
        return items

    def test_keys(self, server: Server) -> None:
        kms = server.client(region="eu-north-1")
        made = {keys.made(kms) for _ in range(5)}
        listed = self.paged(kms, "list_keys", "Keys")
        assert {key["KeyId"] for key in listed} >= made
        assert all(key["KeyArn"] == keys.arn(kms, key["KeyId"]) for key in listed)

    def test_aliases(self, server: Server) -> None:
        kms = server.client(region="eu-north-1")
        key_id = keys.made(kms)
        names = {f"alias/{key_id}/{number}" for number in range(5)}
        for name in names:
            kms.create_alias(AliasName=name, TargetKeyId=key_id)
        assert {alias["AliasName"] for alias in self.paged(kms, "list_aliases", "Aliases")} >= names
        of_key = self.paged(kms, "list_aliases", "Aliases", KeyId=key_id)
        assert {alias["AliasName"] for alias in of_key} == names

    def test_grants(self, kms: Any) -> None:
        key_id = keys.made(kms)
        retiring = f"arn:aws:iam::{ACCOUNT}:role/{key_id}"
        given = {"KeyId": key_id, "Operations": ["Decrypt"], "RetiringPrincipal": retiring}
        made = {kms.create_grant(GranteePrincipal=arn_of("app"), **given)["GrantId"] for _ in range(5)}
        assert {grant["GrantId"] for grant in self.paged(kms, "list_grants", "Grants", KeyId=key_id)} == made
        retirable = self.paged(kms, "list_retirable_grants", "Grants", RetiringPrincipal=retiring)
        assert {grant["GrantId"] for grant in retirable} == made

    def test_policies(self, kms: Any) -> None:
        assert self.paged(kms, "list_key_policies", "PolicyNames", KeyId=keys.made(kms)) == ["default"]

    def test_tags(self, kms: Any) -> None:
        tags = [{"TagKey": f"key-{number}", "TagValue": ""} for number in range(5)]
        key_id = keys.made(kms, Tags=tags)
        assert self.paged(kms, "list_resource_tags", "Tags", KeyId=key_id) == tags
        kms.tag_resource(KeyId=key_id, Tags=[{"TagKey": "key-0", "TagValue": "changed"}])
        kms.untag_resource(KeyId=key_id, TagKeys=["key-1", "never-there"])
        left = {tag["TagKey"]: tag["TagValue"] for tag in kms.list_resource_tags(KeyId=key_id)["Tags"]}
        assert left == {"key-0": "changed", "key-2": "", "key-3": "", "key-4": ""}

    def test_rotations(self, kms: Any) -> None:
        key_id = keys.made(kms)
        for _ in range(4):
            kms.rotate_key_on_demand(KeyId=key_id)
        listed = self.paged(kms, "list_key_rotations", "Rotations", KeyId=key_id)
        assert [one["RotationType"] for one in listed] == ["ON_DEMAND"] * 4
