"""CreateKey, DescribeKey, ListKeys, UpdateKeyDescription, EnableKey, DisableKey, GetKeyLastUsage."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, StringConstraints

from reconciler.access.caller import Caller
from reconciler.errors import UnsupportedOperationException, ValidationException
from reconciler.providers.keys import KeyRequest, KeyState
from reconciler_softkms.door import Door
from reconciler_softkms.operations import keys, last_usage
from reconciler_softkms.operations.policies import read_document
from reconciler_softkms.pages import PageOf
from reconciler_softkms.specs import ENCRYPT_DECRYPT, SYMMETRIC, USAGES
from reconciler_softkms.wire.metadata import metadata
from reconciler_softkms.wire.operation import Operation
from reconciler_softkms.wire.policies import PolicyText
from reconciler_softkms.wire.request import Asked, Granted, KeyName, Limit, Marker, as_tuple
from reconciler_softkms.wire.tags import Tags, as_pairs

Description = Annotated[str, StringConstraints(max_length=8192)]
KeyUsage = Literal["SIGN_VERIFY", "ENCRYPT_DECRYPT", "GENERATE_VERIFY_MAC", "KEY_AGREEMENT", "ENCAPSULATE_DECAPSULATE"]
_OlderSpec = Literal[
    "RSA_2048",
    "RSA_3072",
    "RSA_4096",
    "ECC_NIST_P256",
    "ECC_NIST_P384",
    "ECC_NIST_P521",
    "ECC_SECG_P256K1",
    "SYMMETRIC_DEFAULT",
    "HMAC_224",
    "HMAC_256",
    "HMAC_384",
    "HMAC_512",
    "SM2",
]
_NewerSpec = Literal[
    "ML_DSA_44",
    "ML_DSA_65",
    "ML_DSA_87",
    "ECC_NIST_EDWARDS25519",
    "ML_KEM_512",
    "ML_KEM_768",
    "ML_KEM_1024",
]
_Origin = Literal["AWS_KMS", "EXTERNAL", "AWS_CLOUDHSM", "EXTERNAL_KEY_STORE"]
_NO_STORES: Final = "There are no custom or external key stores here: leave out {name}"


class CreateKey(Asked):
    """Its form."""

    policy: PolicyText | None = None
    description: Description = ""
    key_usage: KeyUsage | None = None
    customer_master_key_spec: _OlderSpec | None = None
    key_spec: Literal[_OlderSpec, _NewerSpec] | None = None
    origin: _Origin = "AWS_KMS"
    custom_key_store_id: Annotated[str, StringConstraints(min_length=1, max_length=64)] | None = None
    xks_key_id: Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[a-zA-Z0-9-_.]+$")] | None = (
        None
    )
    bypass_policy_lockout_safety_check: bool = False
    tags: Tags = ()
    multi_region: bool = False


class DescribeKey(Granted):
    """Its form."""

    key_id: KeyName


class ListKeys(Asked):
    """Its form."""

    limit: Limit | None = None
    marker: Marker | None = None
    resource_owners: (
        Annotated[
            tuple[Literal["SELF", "OTHER_ACCOUNTS_VIA_RAM"], ...],
            BeforeValidator(as_tuple),
            Field(min_length=1, max_length=2),
        ]
        | None
    ) = None


class UpdateKeyDescription(Asked):
    """Its form."""

    key_id: KeyName
    description: Description


class OfKey(Asked):
    """The form of what needs to know the key, and nothing else."""

    key_id: KeyName


def create_key(door: Door, caller: Caller, asked: CreateKey) -> Mapping[str, Any]:
    """KeyMetadata."""
    spec, usage = _spec_and_usage(asked)
    for name, value in (("CustomKeyStoreId", asked.custom_key_store_id), ("XksKeyId", asked.xks_key_id)):
        if value is not None:
            raise UnsupportedOperationException(_NO_STORES.format(name=name))
    request = KeyRequest(
        description=asked.description,
        key_spec=spec,
        key_usage=usage,
        multi_region=asked.multi_region,
        policy=None if asked.policy is None else read_document(asked.policy),
        tags=as_pairs(asked.tags),
        origin=asked.origin,
        bypass_lockout_check=asked.bypass_policy_lockout_safety_check,
    )
    return {"KeyMetadata": metadata(keys.made_key(door, caller, request, None), door.names)}


def describe_key(door: Door, caller: Caller, asked: DescribeKey) -> Mapping[str, Any]:
    """KeyMetadata."""
    return {"KeyMetadata": metadata(*keys.described_key(door, caller, asked.key_id))}


def list_keys(door: Door, caller: Caller, asked: ListKeys) -> Mapping[str, Any]:
    """A page of ids and ARNs. Nothing is shared with other accounts here."""
    if asked.resource_owners is not None and "SELF" not in asked.resource_owners:
        return {"Keys": [], "Truncated": False}
    found = keys.page_of_keys(door, caller, PageOf(asked.limit, asked.marker))
    return found.answer("Keys", lambda row: {"KeyId": row.key_id, "KeyArn": door.names.key_arn(row.key_id)})


def update_key_description(door: Door, caller: Caller, asked: UpdateKeyDescription) -> Mapping[str, Any]:
    """Nothing."""
    keys.update_description(door, caller, asked.key_id, asked.description)
    return {}


def enable_key(door: Door, caller: Caller, asked: OfKey) -> Mapping[str, Any]:
    """Nothing."""
    keys.set_state(door, caller, asked.key_id, "EnableKey", KeyState.ENABLED)
    return {}


def disable_key(door: Door, caller: Caller, asked: OfKey) -> Mapping[str, Any]:
    """Nothing."""
    keys.set_state(door, caller, asked.key_id, "DisableKey", KeyState.DISABLED)
    return {}


def get_key_last_usage(door: Door, caller: Caller, asked: OfKey) -> Mapping[str, Any]:
    """The last use, an empty object for none; every use since the key was made is known."""
    found = last_usage.last_usage(door, caller, asked.key_id)
    last = found.last
    return {
        "KeyId": found.key_arn,
        "KeyLastUsage": {}
        if last is None
        else {
            "Operation": last.operation,
            "Timestamp": last.time,
            "CloudTrailEventId": str(uuid.UUID(bytes=last.event_id, version=4)),
            "KmsRequestId": str(uuid.UUID(bytes=last.request_id, version=4)),
        },
        "TrackingStartDate": found.created_at,
        "KeyCreationDate": found.created_at,
    }


def _spec_and_usage(asked: CreateKey) -> tuple[str, str]:
    if asked.key_spec is not None and asked.customer_master_key_spec is not None:
        raise ValidationException(
            "You cannot specify KeySpec and CustomerMasterKeySpec in the same request. CustomerMasterKeySpec is"
            " deprecated."
        )
    spec = asked.key_spec or asked.customer_master_key_spec or SYMMETRIC
    if spec not in USAGES:
        raise UnsupportedOperationException(f"Key spec {spec} is not supported here; there are {', '.join(USAGES)}")
    if asked.key_usage is None and spec != SYMMETRIC:
        raise ValidationException(
            "You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys."
        )
    return spec, asked.key_usage or ENCRYPT_DECRYPT


OPERATIONS = {
    "CreateKey": Operation(CreateKey, create_key),
    "DescribeKey": Operation(DescribeKey, describe_key),
    "ListKeys": Operation(ListKeys, list_keys),
    "UpdateKeyDescription": Operation(UpdateKeyDescription, update_key_description),
    "EnableKey": Operation(OfKey, enable_key),
    "DisableKey": Operation(OfKey, disable_key),
    "GetKeyLastUsage": Operation(OfKey, get_key_last_usage),
}
