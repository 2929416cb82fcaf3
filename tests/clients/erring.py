"""How each documented error of each operation comes about: a sound request with one thing wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from botocore.model import ServiceModel

from tests.clients import keys, sound
from tests.clients.server import OTHER_REGION, arn_of
from tests.clients.sound import Request

Asks = Callable[[Any], Request]

NOT_AN_ARN: Final = "arn:aws:kms:eu-west-1:111122223333:nonsense"


def _key_member(operation: str) -> str:
    return {"CreateAlias": "TargetKeyId", "UpdateAlias": "TargetKeyId", "ReEncrypt": "DestinationKeyId"}.get(
        operation, "KeyId"
    )


def _with(operation: str, **changes: Any) -> Asks:
    return lambda kms: {**sound.SOUND[operation](kms), **changes}


def _after(operation: str, happened: Callable[[Any, str], Any]) -> Asks:
    """The sound request, after something happened to its key."""

    def ask(kms: Any) -> Request:
        given = sound.SOUND[operation](kms)
        happened(kms, given[_key_member(operation)])
        return given

    return ask


def _disabled(kms: Any, key_id: str) -> None:
    kms.disable_key(KeyId=key_id)


def _pending_deletion(kms: Any, key_id: str) -> None:
    kms.schedule_key_deletion(KeyId=key_id)


OTHER_USAGE: Final = {"SIGN_VERIFY": "SYMMETRIC_DEFAULT", "GENERATE_VERIFY_MAC": "SYMMETRIC_DEFAULT"}


def _of_other_usage(operation: str) -> Asks:
    spec = "SYMMETRIC_DEFAULT" if operation in _NEEDS_A_PAIR else "ECC_NIST_P256"
    return lambda kms: {**sound.SOUND[operation](kms), _key_member(operation): keys.made(kms, spec)}


def _opened_by_a_signer(kms: Any) -> Request:
    """An algorithm that the key would be named for; a symmetric ciphertext is another key's before anything else."""
    return {
        "KeyId": keys.made(kms, "RSA_2048", "SIGN_VERIFY"),
        "CiphertextBlob": b"x" * 256,
        "EncryptionAlgorithm": "RSAES_OAEP_SHA_256",
    }


_NEEDS_A_PAIR: Final = {"Sign", "Verify", "GenerateMac", "VerifyMac", "DeriveSharedSecret"}

_EVERYWHERE: Final[dict[str, Callable[[str], Asks]]] = {
    "NotFoundException": lambda operation: _with(operation, **{_key_member(operation): keys.NOBODYS}),
    "InvalidArnException": lambda operation: _with(operation, **{_key_member(operation): NOT_AN_ARN}),
    "DisabledException": lambda operation: _after(operation, _disabled),
    "KMSInvalidStateException": lambda operation: _after(operation, _pending_deletion),
    "DryRunOperationException": lambda operation: _with(operation, DryRun=True),
    "InvalidGrantTokenException": lambda operation: _with(operation, GrantTokens=["no-token-of-ours"]),
    "InvalidMarkerException": lambda operation: _with(operation, Marker="no-marker-of-ours"),
    "InvalidKeyUsageException": _of_other_usage,
}
"""Errors that come about alike in every operation that documents them."""


def _alias_twice(kms: Any) -> Request:
    given = sound.SOUND["CreateAlias"](kms)
    kms.create_alias(**given)
    return given


def _full_of_aliases(kms: Any) -> Request:
    key_id = keys.made(kms)
    for number in range(50):
        kms.create_alias(AliasName=f"alias/{key_id}/{number}", TargetKeyId=key_id)
    return {"AliasName": f"alias/{key_id}/more", "TargetKeyId": key_id}


def _alias_to_a_full_key(kms: Any) -> Request:
    given = sound.SOUND["UpdateAlias"](kms)
    return {**given, "TargetKeyId": _full_of_aliases(kms)["TargetKeyId"]}


def _rotated_out(kms: Any) -> Request:
    key_id = keys.made(kms)
    for _ in range(25):
        kms.rotate_key_on_demand(KeyId=key_id)
    return {"KeyId": key_id}


def _of_another_key(operation: str) -> Asks:
    return lambda kms: {**sound.SOUND[operation](kms), "KeyId": keys.made(kms)}


def _flipped(operation: str, member: str) -> Asks:
    def ask(kms: Any) -> Request:
        given = sound.SOUND[operation](kms)
        raw = bytearray(given[member])
        raw[-1] ^= 1
        return {**given, member: bytes(raw)}

    return ask


def _other_material(kms: Any) -> Request:
    given = sound.SOUND["ImportKeyMaterial"](kms)
    kms.import_key_material(**given)
    kms.delete_imported_key_material(KeyId=given["KeyId"])
    asked = kms.get_parameters_for_import(
        KeyId=given["KeyId"], WrappingAlgorithm="RSAES_OAEP_SHA_256", WrappingKeySpec="RSA_2048"
    )
    return {
        **given,
        "ImportToken": asked["ImportToken"],
        "EncryptedKeyMaterial": keys.wrap(asked["PublicKey"], b"\1" * 32),
    }


def _replicated_already(kms: Any) -> Request:
    given = sound.SOUND["ReplicateKey"](kms)
    kms.replicate_key(**given)
    return given


def _plain_key(**more: Any) -> Asks:
    return lambda kms: {"KeyId": keys.made(kms), **more}


def _pair(**more: Any) -> Asks:
    return lambda kms: {"KeyId": keys.made(kms, "ECC_NIST_P256"), **more}


def _not_pending(kms: Any) -> Request:
    return {"KeyId": keys.made(kms)}


def _disabled_pair(kms: Any) -> Request:
    key_id = keys.made(kms, "ECC_NIST_P256")
    kms.disable_key(KeyId=key_id)
    return {"KeyId": key_id}


_RESERVED_TAG: Final = [{"TagKey": "aws:reserved", "TagValue": "x"}]
_SECOND: Final[dict[tuple[str, str], Asks]] = {
    ("CancelKeyDeletion", "KMSInvalidStateException"): _not_pending,
    ("CreateAlias", "AlreadyExistsException"): _alias_twice,
    ("CreateAlias", "LimitExceededException"): _full_of_aliases,
    ("UpdateAlias", "LimitExceededException"): _alias_to_a_full_key,
    ("UpdateAlias", "NotFoundException"): lambda kms: {
        "AliasName": "alias/nobodys",
        "TargetKeyId": keys.made(kms),
    },
    ("DeleteAlias", "NotFoundException"): lambda kms: {"AliasName": "alias/nobodys"},
    ("CreateKey", "MalformedPolicyDocumentException"): lambda kms: {"Policy": "{"},
    ("CreateKey", "TagException"): lambda kms: {"Tags": _RESERVED_TAG},
    ("CreateKey", "UnsupportedOperationException"): lambda kms: {"Origin": "AWS_CLOUDHSM"},
    ("Decrypt", "IncorrectKeyException"): _of_another_key("Decrypt"),
    ("Decrypt", "InvalidCiphertextException"): _flipped("Decrypt", "CiphertextBlob"),
    ("ReEncrypt", "IncorrectKeyException"): lambda kms: {
        **sound.SOUND["ReEncrypt"](kms),
        "SourceKeyId": keys.made(kms),
    },
    ("ReEncrypt", "InvalidCiphertextException"): _flipped("ReEncrypt", "CiphertextBlob"),
    ("DeleteImportedKeyMaterial", "UnsupportedOperationException"): _plain_key(),
    ("DisableKeyRotation", "UnsupportedOperationException"): _pair(),
    ("EnableKeyRotation", "UnsupportedOperationException"): _pair(),
    ("GetKeyRotationStatus", "UnsupportedOperationException"): _pair(),
    ("ListKeyRotations", "UnsupportedOperationException"): _pair(),
    ("RotateKeyOnDemand", "UnsupportedOperationException"): _pair(),
    ("RotateKeyOnDemand", "LimitExceededException"): _rotated_out,
    ("GetParametersForImport", "UnsupportedOperationException"): _plain_key(
        WrappingAlgorithm="RSAES_OAEP_SHA_256", WrappingKeySpec="RSA_2048"
    ),
    ("GetPublicKey", "UnsupportedOperationException"): _plain_key(),
    ("ImportKeyMaterial", "IncorrectKeyMaterialException"): _other_material,
    ("ImportKeyMaterial", "InvalidCiphertextException"): _flipped("ImportKeyMaterial", "EncryptedKeyMaterial"),
    ("ImportKeyMaterial", "InvalidImportTokenException"): _flipped("ImportKeyMaterial", "ImportToken"),
    ("ImportKeyMaterial", "UnsupportedOperationException"): _of_another_key("ImportKeyMaterial"),
    ("ListGrants", "InvalidMarkerException"): _plain_key(Marker="no-marker-of-ours"),
    ("ListGrants", "InvalidGrantIdException"): _with("ListGrants", GrantId="!"),
    ("PutKeyPolicy", "MalformedPolicyDocumentException"): _with("PutKeyPolicy", Policy="{"),
    ("ReplicateKey", "AlreadyExistsException"): _replicated_already,
    ("ReplicateKey", "MalformedPolicyDocumentException"): _with("ReplicateKey", Policy="{"),
    ("ReplicateKey", "TagException"): _with("ReplicateKey", Tags=_RESERVED_TAG),
    ("ReplicateKey", "UnsupportedOperationException"): _plain_key(ReplicaRegion=OTHER_REGION),
    ("RetireGrant", "InvalidGrantIdException"): _with("RetireGrant", GrantId="!"),
    ("RetireGrant", "InvalidGrantTokenException"): lambda kms: {"GrantToken": "no-token-of-ours"},
    ("RevokeGrant", "InvalidGrantIdException"): _with("RevokeGrant", GrantId="!"),
    ("TagResource", "TagException"): _with("TagResource", Tags=_RESERVED_TAG),
    ("UntagResource", "TagException"): _with("UntagResource", TagKeys=["aws:reserved"]),
    ("UpdatePrimaryRegion", "UnsupportedOperationException"): _plain_key(PrimaryRegion=OTHER_REGION),
    ("ListRetirableGrants", "InvalidArnException"): lambda kms: {"RetiringPrincipal": "arn:aws:iam::nobody"},
    ("Verify", "KMSInvalidSignatureException"): _with("Verify", Message=b"another message"),
    ("VerifyMac", "KMSInvalidMacException"): _with("VerifyMac", Message=b"another message"),
    ("Decrypt", "InvalidKeyUsageException"): _opened_by_a_signer,
    ("GenerateDataKeyPair", "InvalidKeyUsageException"): _pair(KeyPairSpec="ECC_NIST_P256"),
    ("CreateGrant", "InvalidArnException"): lambda kms: {
        "KeyId": NOT_AN_ARN,
        "GranteePrincipal": arn_of("app"),
        "Operations": ["Decrypt"],
    },
}
"""Errors that are of one operation, or come about there in another way."""

_OWN_FAULT: Final = "a fault of the service's own, which no request brings about"
_ANY_STATE: Final = "the reference's table of key states lets this call pass in every state"
NOT_RAISED: Final[dict[tuple[str, str], str]] = {
    **dict.fromkeys(
        [("*", "DependencyTimeoutException"), ("*", "KMSInternalException"), ("*", "KeyUnavailableException")],
        _OWN_FAULT,
    ),
    **dict.fromkeys(
        [
            *(("*", f"CustomKeyStore{what}Exception") for what in ("InvalidState", "NotFound")),
            *(("*", f"XksKey{what}Exception") for what in ("AlreadyInUse", "InvalidConfiguration", "NotFound")),
            ("*", "CloudHsmClusterInvalidConfigurationException"),
        ],
        "no custom key stores",
    ),
    ("CreateAlias", "InvalidAliasNameException"): "an alias of another form is a ValidationException, as in public",
    ("CreateGrant", "LimitExceededException"): "takes 50,000 grants; the plugin's own tests lower the quota",
    ("CreateKey", "LimitExceededException"): "takes 100,000 keys; the plugin's own tests lower the quota",
    ("CreateKey", "InvalidArnException"): "a request without an ARN but those of the policy, which say so otherwise",
    ("EnableKey", "LimitExceededException"): "no quota of enabled keys",
    ("ReplicateKey", "LimitExceededException"): "takes 100,000 keys; the plugin's own tests lower the quota",
    ("GenerateRandom", "UnsupportedOperationException"): "comes with custom key stores",
    ("ImportKeyMaterial", "ExpiredImportTokenException"): "takes 24 hours; the plugin's own tests move the clock",
    ("RotateKeyOnDemand", "ConflictException"): "takes an automatic rotation; the plugin's own tests move the clock",
    (
        "ListRetirableGrants",
        "NotFoundException",
    ): "a principal that does not exist cannot be told from one with no grant",
    ("GetPublicKey", "InvalidKeyUsageException"): "a pair of any usage has its public key told; others have none",
    ("PutKeyPolicy", "LimitExceededException"): "a policy that is too long is a malformed one",
    ("PutKeyPolicy", "UnsupportedOperationException"): "every key here takes a policy",
    ("TagResource", "LimitExceededException"): "too many tags are a TagException, as in public",
    **dict.fromkeys(
        [
            *((name, "KMSInvalidStateException") for name in ("DeleteAlias", "GetKeyPolicy", "ListKeyPolicies")),
            *((name, "KMSInvalidStateException") for name in ("ListGrants", "PutKeyPolicy", "RetireGrant")),
            *((name, "KMSInvalidStateException") for name in ("RevokeGrant", "DeleteImportedKeyMaterial")),
            *((name, "KMSInvalidStateException") for name in ("GetKeyRotationStatus", "ListKeyRotations")),
        ],
        _ANY_STATE,
    ),
    **dict.fromkeys(
        [
            ("GenerateDataKeyPair", "UnsupportedOperationException"),
            ("GenerateDataKeyPairWithoutPlaintext", "UnsupportedOperationException"),
        ],
        "comes with custom key stores",
    ),
}


def documented(model: ServiceModel) -> Iterator[tuple[str, str]]:
    """Every pair of operation and error that the public model names."""
    for operation in sound.SOUND:
        for shape in model.operation_model(operation).error_shapes:
            yield operation, shape.name


def why_not(operation: str, error: str) -> str | None:
    """Why the error cannot be brought about."""
    return NOT_RAISED.get((operation, error)) or NOT_RAISED.get(("*", error))


def how(operation: str, error: str) -> Asks:
    """A request that is refused so. KeyError when nobody knows one."""
    found = _SECOND.get((operation, error))
    return found if found is not None else _EVERYWHERE[error](operation)
