"""Each public operation through boto3: its answer has the public form, and all of that form is given somewhere."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.model import ServiceModel

from tests.clients import keys, sound
from tests.clients.server import OTHER_REGION, REGION, Server, arn_of
from tests.clients.shapes import members_of
from tests.counts import count

NEVER_GIVEN = {
    "CiphertextForRecipient": "a recipient is an enclave's attestation document, and there are no enclaves here",
    "CustomKeyStoreId": "no custom key stores",
    "CloudHsmClusterId": "no custom key stores",
    "XksKeyConfiguration": "no external key stores",
    "Id": "no external key stores (XksKeyConfiguration.Id)",
    "EncapsulationAlgorithms": "ML-KEM keys are not among the key specs",
    "GranteeServicePrincipal": "grants name principals; service principals are written as GranteePrincipal",
    "RetiringServicePrincipal": "grants name principals; service principals are written as RetiringPrincipal",
    "SourceArn": "comes with GranteeServicePrincipal",
}
"""Members of public answers that the key service never gives, by their last name."""


def model(server: Server) -> ServiceModel:
    found: ServiceModel = server.client().meta.service_model
    return found


def test_every_operation_is_called_or_left_out_with_its_reason(server: Server) -> None:
    assert set(sound.SOUND) | set(sound.LEFT_OUT) == set(model(server).operation_names)
    assert not set(sound.SOUND) & set(sound.LEFT_OUT)


@pytest.mark.parametrize("operation", sound.SOUND)
def test_the_operation_answers_in_the_public_form(server: Server, kms: Any, operation: str) -> None:
    """The client's own hook compares the answer with the model (``shapes``)."""
    sound.call(kms, operation, sound.SOUND[operation](kms))
    count("clients", operations=1)


@pytest.mark.parametrize("operation", sound.LEFT_OUT)
def test_an_operation_that_there_is_not_is_refused_by_name(kms: Any, operation: str) -> None:
    from botocore.exceptions import ClientError

    asked: dict[str, sound.Request] = {
        "Encapsulate": {"KeyId": keys.NOBODYS, "EncapsulationAlgorithm": "ML_KEM_768"},
        "Decapsulate": {
            "KeyId": keys.NOBODYS,
            "EncapsulationAlgorithm": "ML_KEM_768",
            "SharedSecretCiphertextBlob": b"x",
        },
        "CreateCustomKeyStore": {"CustomKeyStoreName": "store"},
        "DescribeCustomKeyStores": {},
    }
    request = asked.get(operation, {"CustomKeyStoreId": "cks-1234567890abcdef0"})
    with pytest.raises(ClientError, match=r"UnknownOperationException|UnsupportedOperationException"):
        sound.call(kms, operation, request)


def test_all_members_of_the_public_answers_are_given_or_left_out_with_their_reason(server: Server, kms: Any) -> None:
    for operation, make in sound.SOUND.items():
        if not server.seen.members[operation]:
            sound.call(kms, operation, make(kms))
    for ask in RICHER:
        ask(server, kms)
    missing = set()
    for operation in sound.SOUND:
        for path in members_of(model(server).operation_model(operation).output_shape):
            if path in server.seen.members[operation] or set(path.replace("[]", "").split(".")) & set(NEVER_GIVEN):
                continue
            missing.add(f"{operation}{path}")
    assert sorted(missing - set(ELSEWHERE)) == []


_NOT_YET = "a key that is being made, or replicated, does not have that yet"
_OTHER = "multi-Region keys of other specs are made in the plugin's own tests"
ELSEWHERE = {
    **dict.fromkeys(
        [
            *(f"CreateKey.KeyMetadata.{name}" for name in ("DeletionDate", "ValidTo", "ExpirationModel")),
            *(f"ReplicateKey.ReplicaKeyMetadata.{name}" for name in ("DeletionDate", "ValidTo", "ExpirationModel")),
            "CreateKey.KeyMetadata.PendingDeletionWindowInDays",
            "ReplicateKey.ReplicaKeyMetadata.PendingDeletionWindowInDays",
            "CreateKey.KeyMetadata.MultiRegionConfiguration.ReplicaKeys[].Arn",
            "CreateKey.KeyMetadata.MultiRegionConfiguration.ReplicaKeys[].Region",
        ],
        _NOT_YET,
    ),
    **dict.fromkeys(
        [
            f"ReplicateKey.ReplicaKeyMetadata.{name}"
            for name in ("SigningAlgorithms", "MacAlgorithms", "KeyAgreementAlgorithms")
        ],
        _OTHER,
    ),
    "ListKeyPolicies.NextMarker": "a key has one policy",
    "GetKeyRotationStatus.OnDemandRotationStartDate": "told while a rotation goes on; here it is done at once",
}
"""Members that no answer here has, each with its reason."""


def a_fuller_key(server: Server, kms: Any) -> None:
    abroad = server.client(region=OTHER_REGION)
    for spec, usage in (("RSA_2048", "ENCRYPT_DECRYPT"), ("ECC_NIST_P256", "KEY_AGREEMENT"), ("HMAC_256", "")):
        kms.describe_key(KeyId=keys.made(kms, spec, usage))
        if spec != "HMAC_256":
            kms.get_public_key(KeyId=keys.made(kms, spec, usage))
    kms.describe_key(KeyId=keys.made(kms, "ECC_NIST_P256"))
    shared = keys.made(kms, MultiRegion=True)
    kms.replicate_key(KeyId=shared, ReplicaRegion=OTHER_REGION, Tags=[{"TagKey": "a", "TagValue": "b"}])
    kms.describe_key(KeyId=shared)
    kms.schedule_key_deletion(KeyId=shared)  # its window starts when the last replica is gone
    kms.describe_key(KeyId=shared)
    abroad.schedule_key_deletion(KeyId=shared, PendingWindowInDays=7)
    abroad.describe_key(KeyId=shared)


def imported_keys(server: Server, kms: Any) -> None:
    from datetime import UTC, datetime, timedelta

    key_id = keys.made(kms, Origin="EXTERNAL")
    valid_to = datetime.now(UTC) + timedelta(days=30)
    keys.import_into(
        kms,
        key_id,
        bytes(32),
        ExpirationModel="KEY_MATERIAL_EXPIRES",
        ValidTo=valid_to,
        KeyMaterialDescription="from the safe",
    )
    assert abs(kms.describe_key(KeyId=key_id)["KeyMetadata"]["ValidTo"] - valid_to) < timedelta(seconds=1)
    kms.list_key_rotations(KeyId=key_id, IncludeKeyMaterial="ALL_KEY_MATERIAL")


def rotated_keys(server: Server, kms: Any) -> None:
    key_id = keys.made(kms)
    kms.enable_key_rotation(KeyId=key_id, RotationPeriodInDays=100)
    kms.rotate_key_on_demand(KeyId=key_id)
    status = kms.get_key_rotation_status(KeyId=key_id)
    assert status["RotationPeriodInDays"] == 100
    kms.rotate_key_on_demand(KeyId=key_id)
    kms.list_key_rotations(KeyId=key_id, Limit=1)
    kms.list_key_rotations(KeyId=key_id, IncludeKeyMaterial="ALL_KEY_MATERIAL")


def pages(server: Server, kms: Any) -> None:
    key_id = keys.made(kms, Tags=[{"TagKey": f"k{n}", "TagValue": "v"} for n in range(2)])
    for name in ("one", "two"):
        kms.create_alias(AliasName=f"alias/{key_id}/{name}", TargetKeyId=key_id)
        kms.create_grant(
            KeyId=key_id,
            GranteePrincipal=arn_of("app"),
            RetiringPrincipal=arn_of("auditor"),
            Operations=["Decrypt", "Encrypt"],
            Constraints={"EncryptionContextSubset": {"a": "b"}}
            if name == "one"
            else {"EncryptionContextEquals": {"a": "b"}},
            Name=name,
        )
    kms.list_aliases(Limit=1)
    kms.list_grants(KeyId=key_id)
    kms.list_grants(KeyId=key_id, Limit=1)
    kms.list_resource_tags(KeyId=key_id, Limit=1)
    kms.list_retirable_grants(RetiringPrincipal=arn_of("auditor"))
    kms.list_retirable_grants(RetiringPrincipal=arn_of("auditor"), Limit=1)
    kms.list_keys(Limit=1)


def used_keys(server: Server, kms: Any) -> None:
    key_id = keys.made(kms)
    kms.encrypt(KeyId=key_id, Plaintext=b"x")
    kms.get_key_last_usage(KeyId=key_id)


RICHER = (a_fuller_key, imported_keys, rotated_keys, pages, used_keys)


def test_the_regions_are_told_apart(server: Server, kms: Any, abroad: Any) -> None:
    here, there = keys.made(kms), keys.made(abroad)
    assert REGION in kms.describe_key(KeyId=here)["KeyMetadata"]["Arn"]
    assert OTHER_REGION in abroad.describe_key(KeyId=there)["KeyMetadata"]["Arn"]
    for client, key_id in ((kms, there), (abroad, here)):
        with pytest.raises(client.exceptions.NotFoundException, match="does not exist"):
            client.describe_key(KeyId=key_id)
