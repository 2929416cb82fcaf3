"""The actions on a key that a policy can allow (reference, "KMS operations"): the operations' names, but that ReEncrypt
asks for one on each of its keys."""

from __future__ import annotations

from typing import Final

ON_A_KEY: Final = frozenset(
    {
        *("Encrypt", "Decrypt", "ReEncryptFrom", "ReEncryptTo"),
        *("GenerateDataKey", "GenerateDataKeyWithoutPlaintext"),
        *("GenerateDataKeyPair", "GenerateDataKeyPairWithoutPlaintext"),
        *("Sign", "Verify", "GenerateMac", "VerifyMac", "DeriveSharedSecret", "GetPublicKey"),
        *("DescribeKey", "EnableKey", "DisableKey", "UpdateKeyDescription", "GetKeyLastUsage"),
        *("ScheduleKeyDeletion", "CancelKeyDeletion"),
        *("CreateAlias", "UpdateAlias", "DeleteAlias"),
        *("PutKeyPolicy", "GetKeyPolicy", "ListKeyPolicies"),
        *("CreateGrant", "ListGrants", "RetireGrant", "RevokeGrant"),
        *("EnableKeyRotation", "DisableKeyRotation", "GetKeyRotationStatus", "RotateKeyOnDemand", "ListKeyRotations"),
        *("TagResource", "UntagResource", "ListResourceTags"),
        *("ReplicateKey", "UpdatePrimaryRegion", "SynchronizeMultiRegionKey"),
        *("GetParametersForImport", "ImportKeyMaterial", "DeleteImportedKeyMaterial"),
    }
)

_TOLD_FIRST: Final = (
    *("Decrypt", "GenerateDataKey", "CreateGrant", "PutKeyPolicy", "ReEncryptFrom", "ScheduleKeyDeletion"),
    "Encrypt",
)
SHARPEST_FIRST: Final = tuple(f"kms:{name}" for name in (*_TOLD_FIRST, *sorted(ON_A_KEY.difference(_TOLD_FIRST))))
"""The same as policies write them, for whoever tries them all and tells of the first that differs: what opens data and
what hands a key over."""
