"""Every condition operator, quantifier and condition key does what the policy language says (KM2)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from reconciler.access.caller import Origin
from reconciler.access.request import GrantTerms, KeyFacts
from tests.access.asking import ACCOUNT, KEY, REGION, allow, caller, decided

ANA = f"arn:aws:iam::{ACCOUNT}:user/ana"
CONTEXT = {"team": "shop", "Stage": "live"}
GRANT = GrantTerms(
    grantee_principal="cassandra.eu-west-1.amazonaws.com",
    retiring_principal=ANA,
    operations=("Decrypt", "Encrypt"),
    context_subset={"team": "shop"},
)
TAGGED = KeyFacts(
    arn=KEY.arn,
    account=ACCOUNT,
    region=REGION,
    aliases=("alias/a", "alias/b"),
    tags={"owner": "ana"},
    multi_region=True,
)
FROM_NET = {"attributes": {"aws:sourceip": ("10.1.2.3",)}}
SOURCE = {"attributes": {"aws:sourcearn": (f"arn:aws:redshift:{REGION}:{ACCOUNT}:cluster:one",)}}
DAYS = {"attributes": {"kms:rotationperiodindays": ("180",)}}
ORIGIN = Origin(
    address="192.0.2.7", user_agent="Boto3/1.44", access_key_id="AKIDEXAMPLE", is_encrypted=True, request_id=bytes(16)
)
NOTHING: dict[str, Any] = {}

# condition, facts of the request, met?
CASES: dict[str, tuple[dict[str, Any], dict[str, Any], bool]] = {
    "equal": ({"StringEquals": {"kms:EncryptionContext:team": "shop"}}, {"context": CONTEXT}, True),
    "case counts in values": ({"StringEquals": {"kms:EncryptionContext:team": "Shop"}}, {"context": CONTEXT}, False),
    "case does not count in key names": (
        {"StringEquals": {"KMS:encryptioncontext:stage": "live"}},
        {"context": CONTEXT},
        True,
    ),
    "several values are alternatives": (
        {"StringEquals": {"kms:EncryptionContext:team": ["x", "shop"]}},
        {"context": CONTEXT},
        True,
    ),
    "several keys must all be met": (
        {"StringEquals": {"kms:EncryptionContext:team": "shop", "kms:CallerAccount": "000000000000"}},
        {"context": CONTEXT},
        False,
    ),
    "several operators must all be met": (
        {"StringEquals": {"kms:CallerAccount": ACCOUNT}, "Bool": {"aws:ViaAWSService": "true"}},
        NOTHING,
        False,
    ),
    "equal asks for the key": ({"StringEquals": {"kms:EncryptionContext:absent": "x"}}, {"context": CONTEXT}, False),
    "not equal": ({"StringNotEquals": {"kms:EncryptionContext:team": "x"}}, {"context": CONTEXT}, True),
    "not equal to any of several": (
        {"StringNotEquals": {"kms:EncryptionContext:team": ["x", "shop"]}},
        {"context": CONTEXT},
        False,
    ),
    "not equal holds for an absent key": ({"StringNotEquals": {"kms:EncryptionContext:absent": "x"}}, NOTHING, True),
    "ignore case": ({"StringEqualsIgnoreCase": {"kms:EncryptionContext:team": "SHOP"}}, {"context": CONTEXT}, True),
    "not, ignoring case": (
        {"StringNotEqualsIgnoreCase": {"kms:EncryptionContext:team": "SHOP"}},
        {"context": CONTEXT},
        False,
    ),
    "like": ({"StringLike": {"kms:EncryptionContext:team": "s*o?"}}, {"context": CONTEXT}, True),
    "like is of the whole value": ({"StringLike": {"kms:EncryptionContext:team": "s*o"}}, {"context": CONTEXT}, False),
    "equals knows no wildcard": ({"StringEquals": {"kms:EncryptionContext:team": "s*"}}, {"context": CONTEXT}, False),
    "not like": ({"StringNotLike": {"kms:EncryptionContext:team": "s*"}}, {"context": CONTEXT}, False),
    "if it exists, and it does not": (
        {"StringEqualsIfExists": {"kms:EncryptionContext:absent": "x"}},
        {"context": CONTEXT},
        True,
    ),
    "if it exists, and it does": (
        {"StringEqualsIfExists": {"kms:EncryptionContext:team": "x"}},
        {"context": CONTEXT},
        False,
    ),
    "any value of the request": (
        {"ForAnyValue:StringEquals": {"kms:EncryptionContextKeys": ["team", "x"]}},
        {"context": CONTEXT},
        True,
    ),
    "any value, of none": ({"ForAnyValue:StringEquals": {"kms:EncryptionContextKeys": "team"}}, NOTHING, False),
    "any value that is not": (
        {"ForAnyValue:StringNotEquals": {"kms:EncryptionContextKeys": "team"}},
        {"context": CONTEXT},
        True,
    ),
    "all values of the request": (
        {"ForAllValues:StringEquals": {"kms:EncryptionContextKeys": ["team", "Stage", "x"]}},
        {"context": CONTEXT},
        True,
    ),
    "all values, with one beside": (
        {"ForAllValues:StringEquals": {"kms:EncryptionContextKeys": ["team"]}},
        {"context": CONTEXT},
        False,
    ),
    "all values, of none": ({"ForAllValues:StringEquals": {"kms:EncryptionContextKeys": ["team"]}}, NOTHING, True),
    "context keys keep their case": (
        {"ForAnyValue:StringEquals": {"kms:EncryptionContextKeys": "stage"}},
        {"context": CONTEXT},
        False,
    ),
    "bool of a text": ({"Bool": {"kms:GrantIsForAWSResource": "FALSE"}}, NOTHING, True),
    "bool of a JSON value": ({"Bool": {"kms:GrantIsForAWSResource": True}}, NOTHING, False),
    "null: must be absent": ({"Null": {"kms:ViaService": "true"}}, NOTHING, True),
    "null: must be there": ({"Null": {"kms:EncryptionContext:team": "false"}}, {"context": CONTEXT}, True),
    "null: must be there, and is not": ({"Null": {"kms:ViaService": "false"}}, NOTHING, False),
    "arn like": ({"ArnLike": {"aws:SourceArn": f"arn:aws:redshift:*:{ACCOUNT}:cluster:*"}}, SOURCE, True),
    "an ARN wildcard stays in its part": (
        {"ArnLike": {"aws:SourceArn": "arn:aws:redshift:*:cluster:*"}},
        SOURCE,
        False,
    ),
    "arn equals takes wildcards too": (
        {"ArnEquals": {"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:user/*"}},
        NOTHING,
        True,
    ),
    "arn not like": ({"ArnNotLike": {"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:user/*"}}, NOTHING, False),
    "in the network": ({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, FROM_NET, True),
    "not in the network": ({"NotIpAddress": {"aws:SourceIp": ["10.0.0.0/8", "2001:db8::/32"]}}, FROM_NET, False),
    "in no network when there is no address": ({"IpAddress": {"aws:SourceIp": "0.0.0.0/0"}}, NOTHING, False),
    "before a date": ({"DateLessThan": {"aws:CurrentTime": "2026-01-05T12:00:01Z"}}, NOTHING, True),
    "after a date": ({"DateGreaterThan": {"aws:CurrentTime": "2026-01-05T12:00:00Z"}}, NOTHING, False),
    "at a date": ({"DateGreaterThanEquals": {"aws:CurrentTime": "2026-01-05T12:00:00Z"}}, NOTHING, True),
    "a date in seconds": ({"DateLessThanEquals": {"aws:EpochTime": "1767614400"}}, NOTHING, True),
    "not at a date": ({"DateNotEquals": {"aws:CurrentTime": "2026-01-05"}}, NOTHING, True),
    "fewer": ({"NumericLessThan": {"kms:RotationPeriodInDays": "181"}}, DAYS, True),
    "at most, as a JSON number": ({"NumericLessThanEquals": {"kms:RotationPeriodInDays": 180}}, DAYS, True),
    "more": ({"NumericGreaterThan": {"kms:RotationPeriodInDays": "180"}}, DAYS, False),
    "as many, however written": ({"NumericEquals": {"kms:RotationPeriodInDays": "180.0"}}, DAYS, True),
    "not as many": ({"NumericNotEquals": {"kms:RotationPeriodInDays": "180"}}, DAYS, False),
    "the caller's account": ({"StringEquals": {"kms:CallerAccount": ACCOUNT}}, NOTHING, True),
    "the principal's tag": (
        {"StringEquals": {"aws:PrincipalTag/Team": "shop"}},
        {"tags": {"team": "shop"}},
        True,
    ),
    "the principal's missing tag": ({"StringEquals": {"aws:PrincipalTag/Team": "shop"}}, NOTHING, False),
    "the key's tag": ({"StringEquals": {"aws:ResourceTag/owner": "ana"}}, {"key": TAGGED}, True),
    "the request's tag": ({"StringEquals": {"aws:RequestTag/a": "1"}}, {"request_tags": {"a": "1"}}, True),
    "the request's tag keys": ({"ForAllValues:StringEquals": {"aws:TagKeys": "a"}}, {"request_tags": {"b": ""}}, False),
    "an alias of the key": ({"ForAnyValue:StringEquals": {"kms:ResourceAliases": "alias/b"}}, {"key": TAGGED}, True),
    "the alias asked for": ({"StringEquals": {"kms:RequestAlias": "alias/b"}}, {"request_alias": "alias/b"}, True),
    "the key's spec": ({"StringEquals": {"kms:KeySpec": "SYMMETRIC_DEFAULT"}}, NOTHING, True),
    "the key's usage": ({"StringEquals": {"kms:KeyUsage": "SIGN_VERIFY"}}, NOTHING, False),
    "the key's reach": ({"Bool": {"kms:MultiRegion": "true"}}, {"key": TAGGED}, True),
    "the grant's operations": (
        {"ForAllValues:StringEquals": {"kms:GrantOperations": ["Encrypt", "Decrypt", "Sign"]}},
        {"grant": GRANT},
        True,
    ),
    "an operation too many": (
        {"ForAllValues:StringEquals": {"kms:GrantOperations": ["Decrypt"]}},
        {"grant": GRANT},
        False,
    ),
    "the grant's constraint": (
        {"StringEquals": {"kms:GrantConstraintType": "EncryptionContextSubset"}},
        {"grant": GRANT},
        True,
    ),
    "the grantee": ({"StringLike": {"kms:GranteePrincipal": "cassandra.*"}}, {"grant": GRANT}, True),
    "the retiring principal": ({"StringEquals": {"kms:RetiringPrincipal": ANA}}, {"grant": GRANT}, True),
    "the address that it came from": ({"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}, {"origin": ORIGIN}, True),
    "the address of whom a service calls for is not told": (
        {"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}},
        {"origin": ORIGIN, "who": caller(via="redshift.amazonaws.com")},
        False,
    ),
    "the program that it came from": ({"StringLike": {"aws:UserAgent": "Boto3/*"}}, {"origin": ORIGIN}, True),
    "an encrypted connection": ({"Bool": {"aws:SecureTransport": "true"}}, {"origin": ORIGIN}, True),
    "an encrypted connection, in process": ({"Bool": {"aws:SecureTransport": "true"}}, NOTHING, False),
    "the user's name": ({"StringEquals": {"aws:username": "ana"}}, NOTHING, True),
    "a role has no user name": ({"Null": {"aws:username": "true"}}, {"who": caller("role/app")}, True),
    "the id of a session": (
        {"StringLike": {"aws:userid": "AROA*:nightly"}},
        {"who": caller("sts:app/nightly")},
        True,
    ),
    "the id of the root": ({"StringEquals": {"aws:userid": ACCOUNT}}, {"who": caller("root")}, True),
    "the ARN of a session is its role's": (
        {"ArnEquals": {"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:role/app"}},
        {"who": caller("sts:app/nightly")},
        True,
    ),
    "an organisation, where the caller brings one": (
        {"StringEquals": {"aws:PrincipalOrgID": "o-1"}},
        {"attributes": {"aws:principalorgid": ("o-1",)}},
        True,
    ),
    "an organisation, where there is none": ({"StringEquals": {"aws:PrincipalOrgID": "o-1"}}, NOTHING, False),
    "a service's call is not told of Decrypt": (
        {"Null": {"kms:GrantIsForAWSResource": "true"}},
        {"action": "Decrypt"},
        True,
    ),
    "the algorithm of a symmetric key goes without saying": (
        {"StringEquals": {"kms:EncryptionAlgorithm": "SYMMETRIC_DEFAULT"}},
        {"action": "Encrypt"},
        True,
    ),
    "the algorithm asked for": (
        {"StringEquals": {"kms:EncryptionAlgorithm": "RSAES_OAEP_SHA_1"}},
        {"action": "Encrypt", "parameters": {"encryptionAlgorithm": "RSAES_OAEP_SHA_256"}},
        False,
    ),
    "each end of ReEncrypt has its own algorithm": (
        {"StringEquals": {"kms:EncryptionAlgorithm": "RSAES_OAEP_SHA_256"}},
        {"action": "ReEncryptTo", "parameters": {"destinationEncryptionAlgorithm": "RSAES_OAEP_SHA_256"}},
        True,
    ),
    "the signing algorithm": (
        {"StringEquals": {"kms:SigningAlgorithm": "ECDSA_SHA_256"}},
        {"action": "Sign", "parameters": {"signingAlgorithm": "ECDSA_SHA_256"}},
        True,
    ),
    "a message is raw unless it says otherwise": (
        {"StringEquals": {"kms:MessageType": "RAW"}},
        {"action": "Sign"},
        True,
    ),
    "the MAC algorithm": (
        {"StringEquals": {"kms:MacAlgorithm": "HMAC_SHA_256"}},
        {"action": "GenerateMac", "parameters": {"macAlgorithm": "HMAC_SHA_512"}},
        False,
    ),
    "the spec of a pair": (
        {"StringLike": {"kms:DataKeyPairSpec": "RSA_*"}},
        {"action": "GenerateDataKeyPair", "parameters": {"keyPairSpec": "RSA_2048"}},
        True,
    ),
    "the rotation period": (
        {"NumericLessThanEquals": {"kms:RotationPeriodInDays": "365"}},
        {"action": "EnableKeyRotation", "parameters": {"rotationPeriodInDays": 400}},
        False,
    ),
    "the waiting period": (
        {"NumericGreaterThanEquals": {"kms:ScheduleKeyDeletionPendingWindowInDays": "14"}},
        {"action": "ScheduleKeyDeletion", "parameters": {"pendingWindowInDays": 30}},
        True,
    ),
    "when imported material ends": (
        {"DateLessThan": {"kms:ValidTo": "2027-01-01T00:00:00Z"}},
        {"action": "ImportKeyMaterial", "parameters": {"validTo": datetime(2026, 6, 1, tzinfo=UTC)}},
        True,
    ),
    "whether imported material ends": (
        {"StringEquals": {"kms:ExpirationModel": "KEY_MATERIAL_EXPIRES"}},
        {"action": "ImportKeyMaterial", "parameters": {"expirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE"}},
        False,
    ),
    "how imported material is wrapped": (
        {"StringEquals": {"kms:WrappingAlgorithm": "RSAES_OAEP_SHA_256", "kms:WrappingKeySpec": "RSA_4096"}},
        {
            "action": "GetParametersForImport",
            "parameters": {"wrappingAlgorithm": "RSAES_OAEP_SHA_256", "wrappingKeySpec": "RSA_4096"},
        },
        True,
    ),
    "the Region of a replica": (
        {"StringEquals": {"kms:ReplicaRegion": "us-east-1"}},
        {"action": "ReplicateKey", "parameters": {"replicaRegion": "eu-central-1"}},
        False,
    ),
    "the new primary Region": (
        {"StringEquals": {"kms:PrimaryRegion": "us-east-1"}},
        {"action": "UpdatePrimaryRegion", "parameters": {"primaryRegion": "us-east-1"}},
        True,
    ),
    "a primary of several Regions": ({"StringEquals": {"kms:MultiRegionKeyType": "PRIMARY"}}, {"key": TAGGED}, True),
    "a replica": (
        {"StringEquals": {"kms:MultiRegionKeyType": "REPLICA"}},
        {"key": replace(TAGGED, multi_region_type="REPLICA")},
        True,
    ),
    "the lockout check is on unless it is bypassed": (
        {"Bool": {"kms:BypassPolicyLockoutSafetyCheck": "false"}},
        {"action": "PutKeyPolicy"},
        True,
    ),
    "the lockout check is bypassed": (
        {"Bool": {"kms:BypassPolicyLockoutSafetyCheck": "false"}},
        {"action": "PutKeyPolicy", "parameters": {"bypassPolicyLockoutSafetyCheck": True}},
        False,
    ),
    "the policy's name": ({"StringEquals": {"kms:PolicyName": "default"}}, {"action": "GetKeyPolicy"}, True),
    "the spec of a key that is to be made": (
        {"StringEquals": {"kms:KeySpec": "HMAC_256"}},
        {"action": "CreateKey", "key": None, "parameters": {"keySpec": "HMAC_256"}},
        True,
    ),
    "binary": ({"BinaryEquals": {"a:b": "QUFB"}}, {"attributes": {"a:b": ("QUFB",)}}, True),
    "other bytes": ({"BinaryEquals": {"a:b": "QUFB"}}, {"attributes": {"a:b": ("QUFC",)}}, False),
    "what is no base64 is no such bytes": ({"BinaryEquals": {"a:b": "QUFB"}}, {"attributes": {"a:b": ("?",)}}, False),
    "a condition key that no request carries": ({"StringEquals": {"kms:Nothing": "x"}}, NOTHING, False),
}


@pytest.mark.parametrize("rule", CASES)
def test_a_condition_is_met_or_not(rule: str) -> None:
    condition, facts, met = CASES[rule]
    rest = {name: value for name, value in facts.items() if name not in ("tags", "origin", "who", "action")}
    who = replace(facts.get("who", caller()), tags=facts.get("tags", {}), origin=facts.get("origin"))
    decision = decided(allow(Condition=condition), who, facts.get("action", "CreateGrant"), **rest)
    assert decision.allowed is met, decision.reason


@pytest.mark.parametrize(
    ("condition", "denied"),
    [
        ({"StringEquals": {"kms:ViaService": "redshift.amazonaws.com"}}, True),
        ({"StringEquals": {"kms:ViaService": f"redshift.{REGION}.amazonaws.com"}}, True),
        ({"StringNotEquals": {"kms:ViaService": "redshift.amazonaws.com"}}, False),
        ({"StringNotEquals": {"kms:ViaService": f"redshift.{REGION}.amazonaws.com"}}, False),
        ({"ForAllValues:StringNotEquals": {"kms:ViaService": f"redshift.{REGION}.amazonaws.com"}}, False),
        ({"ForAllValues:StringEquals": {"kms:ViaService": "redshift.amazonaws.com"}}, True),
    ],
)
def test_both_spellings_of_a_service_are_one_in_a_deny_too(condition: dict[str, Any], denied: bool) -> None:
    policy = allow()
    policy["Statement"].append({**policy["Statement"][0], "Effect": "Deny", "Condition": condition})
    for spelling in ("redshift.amazonaws.com", f"redshift.{REGION}.amazonaws.com"):
        assert decided(policy, caller(via=spelling), "CreateGrant").allowed is not denied, spelling
