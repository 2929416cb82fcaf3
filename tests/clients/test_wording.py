"""Refusals of names and forms in the public service's own words, since suites and scripts compare them."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.clients import keys
from tests.clients.server import ACCOUNT, OTHER_REGION
from tests.clients.wording import HERE, Case, is_refused


def aliased(kms: Any) -> dict[str, str]:
    key_id = keys.made(kms)
    kms.create_alias(AliasName=f"alias/{key_id}", TargetKeyId=key_id)
    return {"AliasName": f"alias/{key_id}", "TargetKeyId": key_id}


def target(kms: Any, name: str) -> dict[str, str]:
    return {"AliasName": name, "TargetKeyId": keys.made(kms)}


CASES: dict[str, Case] = {
    "a name that is none": (
        "DescribeKey",
        lambda kms: {"KeyId": "fake-key-id"},
        "NotFoundException",
        "Invalid keyId 'fake-key-id'",
    ),
    "an id without hyphens": (
        "DescribeKey",
        lambda kms: {"KeyId": "134f2428cec14b25a1ae9048164dba47"},
        "NotFoundException",
        "Invalid keyId '134f2428cec14b25a1ae9048164dba47'",
    ),
    "a multi-Region id that is none": (
        "Encrypt",
        lambda kms: {"KeyId": "mrk-fake-key-id", "Plaintext": b"x"},
        "NotFoundException",
        "Invalid keyId 'mrk-fake-key-id'",
    ),
    "an alias where only keys are taken": (
        "EnableKeyRotation",
        lambda kms: {"KeyId": aliased(kms)["AliasName"]},
        "NotFoundException",
        r"Invalid keyId 'alias/[\w-]+'",
    ),
    "no such key, by id": (
        "GenerateDataKey",
        lambda kms: {"KeyId": keys.NOBODYS, "NumberOfBytes": 5},
        "NotFoundException",
        f"Key '{HERE}:key/{keys.NOBODYS}' does not exist",
    ),
    "no such key, by ARN": (
        "DescribeKey",
        lambda kms: {"KeyId": f"{HERE}:key/{keys.NOBODYS}"},
        "NotFoundException",
        f"Key '{HERE}:key/{keys.NOBODYS}' does not exist",
    ),
    "no such multi-Region key": (
        "DescribeKey",
        lambda kms: {"KeyId": f"mrk-{'d3b95762' * 4}"},
        "NotFoundException",
        f"Key '{HERE}:key/mrk-{'d3b95762' * 4}' does not exist",
    ),
    "no such alias": (
        "DescribeKey",
        lambda kms: {"KeyId": "alias/nobodys"},
        "NotFoundException",
        f"Alias {HERE}:alias/nobodys is not found.",
    ),
    "no such alias, by ARN": (
        "Encrypt",
        lambda kms: {"KeyId": f"{HERE}:alias/nobodys", "Plaintext": b"x"},
        "NotFoundException",
        f"Alias {HERE}:alias/nobodys is not found.",
    ),
    "an ARN of another Region": (
        "DescribeKey",
        lambda kms: {"KeyId": f"arn:aws:kms:{OTHER_REGION}:{ACCOUNT}:key/{keys.NOBODYS}"},
        "NotFoundException",
        f"Invalid arn {OTHER_REGION}",
    ),
    "an alias without its prefix": (
        "CreateAlias",
        lambda kms: target(kms, "wrongprefix/mine"),
        "ValidationException",
        re.escape('Alias must start with the prefix "alias/". Please see ')
        + r"https://docs\.aws\.amazon\.com/kms/latest/developerguide/kms-alias\.html",
    ),
    "an alias twice": (
        "CreateAlias",
        aliased,
        "AlreadyExistsException",
        rf"An alias with the name {HERE}:alias/[\w-]+ already exists",
    ),
    "an alias with a forbidden letter": (
        "CreateAlias",
        lambda kms: target(kms, "alias/mine!"),
        "ValidationException",
        re.escape(
            "1 validation error detected: Value 'alias/mine!' at 'aliasName' failed to satisfy constraint: "
            "Member must satisfy regular expression pattern: ^[a-zA-Z0-9:/_-]+$"
        ),
    ),
    "an alias with a colon": (
        "CreateAlias",
        lambda kms: target(kms, "alias/my:alias"),
        "ValidationException",
        "alias/my:alias contains invalid characters for an alias",
    ),
    "an alias of the service's own": (
        "CreateAlias",
        lambda kms: target(kms, "alias/aws/ebs"),
        "NotAuthorizedException",
        "",
    ),
    "an alias of an alias": (
        "CreateAlias",
        lambda kms: {"AliasName": "alias/second", "TargetKeyId": aliased(kms)["AliasName"]},
        "ValidationException",
        "Aliases must refer to keys. Not aliases",
    ),
    "a spec that there is not": (
        "CreateKey",
        lambda kms: {"KeySpec": "HMAC_random", "KeyUsage": "GENERATE_VERIFY_MAC"},
        "ValidationException",
        r"1 validation error detected: Value 'HMAC_random' at 'keySpec' failed to satisfy constraint: "
        r"Member must satisfy enum value set: \[.*RSA_2048.*\]",
    ),
    "a usage that there is not": (
        "CreateKey",
        lambda kms: {"KeySpec": "HMAC_256", "KeyUsage": "RANDOM"},
        "ValidationException",
        r"1 validation error detected: Value 'RANDOM' at 'keyUsage' failed to satisfy constraint: "
        r"Member must satisfy enum value set: \[.*ENCRYPT_DECRYPT.*\]",
    ),
    "no usage": (
        "CreateKey",
        lambda kms: {"KeySpec": "HMAC_256"},
        "ValidationException",
        "You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys.",
    ),
    "nothing to encrypt": (
        "Encrypt",
        lambda kms: {"KeyId": keys.made(kms), "Plaintext": b""},
        "ValidationException",
        "1 validation error detected: Value at 'plaintext' failed to satisfy constraint: "
        "Member must have length greater than or equal to 1",
    ),
    "too much to encrypt": (
        "Encrypt",
        lambda kms: {"KeyId": keys.made(kms), "Plaintext": b"x" * 4097},
        "ValidationException",
        "1 validation error detected: Value at 'plaintext' failed to satisfy constraint: "
        "Member must have length less than or equal to 4096",
    ),
    "no size of random bytes": ("GenerateRandom", lambda kms: {}, "ValidationException", "NumberOfBytes is required."),
    "too many random bytes": (
        "GenerateRandom",
        lambda kms: {"NumberOfBytes": 1025},
        "ValidationException",
        "1 validation error detected: Value '1025' at 'numberOfBytes' failed to satisfy constraint: "
        "Member must have value less than or equal to 1024",
    ),
    "too large a data key": (
        "GenerateDataKey",
        lambda kms: {"KeyId": keys.made(kms), "NumberOfBytes": 1025},
        "ValidationException",
        "1 validation error detected: Value '1025' at 'numberOfBytes' failed to satisfy constraint: "
        "Member must have value less than or equal to 1024",
    ),
    "a data key of no spec": (
        "GenerateDataKey",
        lambda kms: {"KeyId": keys.made(kms), "KeySpec": "AES_512"},
        "ValidationException",
        r"1 validation error detected: Value 'AES_512' at 'keySpec' failed to satisfy constraint: "
        r"Member must satisfy enum value set: \[AES_256, AES_128\]",
    ),
    "neither spec nor size": (
        "GenerateDataKey",
        lambda kms: {"KeyId": keys.made(kms)},
        "ValidationException",
        "Please specify either number of bytes or key spec.",
    ),
    "both spec and size": (
        "GenerateDataKeyWithoutPlaintext",
        lambda kms: {"KeyId": keys.made(kms), "KeySpec": "AES_128", "NumberOfBytes": 16},
        "ValidationException",
        "Please specify either number of bytes or key spec.",
    ),
    "a policy of another name": (
        "GetKeyPolicy",
        lambda kms: {"KeyId": keys.made(kms), "PolicyName": "mine"},
        "NotFoundException",
        "No such policy exists",
    ),
    "a rotation period that is too short": (
        "EnableKeyRotation",
        lambda kms: {"KeyId": keys.made(kms), "RotationPeriodInDays": 89},
        "ValidationException",
        ".*'89' at 'rotationPeriodInDays' failed to satisfy constraint: "
        "Member must have value greater than or equal to 90.*",
    ),
    "a tag of the service's own": (
        "CreateKey",
        lambda kms: {"Tags": [{"TagKey": "aws:mine", "TagValue": ""}]},
        "TagException",
        "Tags beginning with aws: are reserved",
    ),
    "too many tags": (
        "TagResource",
        lambda kms: {
            "KeyId": keys.made(kms),
            "Tags": [{"TagKey": f"k{number}", "TagValue": ""} for number in range(51)],
        },
        "TagException",
        "Too many tags",
    ),
    "a tag twice": (
        "CreateKey",
        lambda kms: {"Tags": [{"TagKey": "a", "TagValue": ""}, {"TagKey": "a", "TagValue": "b"}]},
        "TagException",
        "Duplicate tag keys",
    ),
    "too long a tag": (
        "CreateKey",
        lambda kms: {"Tags": [{"TagKey": "k" * 129, "TagValue": ""}]},
        "ValidationException",
        r"1 validation error detected: Value 'k{129}' at 'tags\.1\.member\.tagKey' failed to satisfy constraint: "
        r"Member must have length less than or equal to 128",
    ),
}


@pytest.mark.parametrize("what", CASES)
def test_a_request_is_refused_in_the_public_words(kms: Any, what: str) -> None:
    is_refused(kms, CASES[what])
