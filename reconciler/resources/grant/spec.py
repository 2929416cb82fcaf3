"""What a Grant manifest says: delegated use of one key (KM3)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, ClassVar, Final, Literal

from pydantic import AfterValidator, Field, model_validator

from reconciler.resources.field_types import Grantee, KeyRef, refuse
from reconciler.resources.spec import Spec, Strict

GrantOperation = Literal[
    "CreateGrant",
    "Decrypt",
    "DeriveSharedSecret",
    "DescribeKey",
    "Encrypt",
    "GenerateDataKey",
    "GenerateDataKeyPair",
    "GenerateDataKeyPairWithoutPlaintext",
    "GenerateDataKeyWithoutPlaintext",
    "GenerateMac",
    "GetPublicKey",
    "ReEncryptFrom",
    "ReEncryptTo",
    "RetireGrant",
    "Sign",
    "Verify",
    "VerifyMac",
]

SYMMETRIC: Final = "SYMMETRIC_DEFAULT"
_ANY: Final = frozenset({"CreateGrant", "DescribeKey", "RetireGrant"})
_SYMMETRIC_ONLY: Final = frozenset(
    {
        "GenerateDataKey",
        "GenerateDataKeyPair",
        "GenerateDataKeyPairWithoutPlaintext",
        "GenerateDataKeyWithoutPlaintext",
    }
)
_OF_USAGE: Final[dict[str, frozenset[str]]] = {
    "ENCRYPT_DECRYPT": frozenset({"Encrypt", "Decrypt", "ReEncryptFrom", "ReEncryptTo"}),
    "SIGN_VERIFY": frozenset({"Sign", "Verify"}),
    "GENERATE_VERIFY_MAC": frozenset({"GenerateMac", "VerifyMac"}),
    "KEY_AGREEMENT": frozenset({"DeriveSharedSecret"}),
}


def impossible(operations: Iterable[str], key_spec: str, key_usage: str) -> list[str]:
    """Those of the operations that such a key cannot do: no service grants them (reference, "CreateGrant")."""
    found = _ANY | _OF_USAGE.get(key_usage, frozenset())
    if key_spec == SYMMETRIC:
        found |= _SYMMETRIC_ONLY
    elif not key_spec.startswith("HMAC_"):
        found |= {"GetPublicKey"}
    return sorted(set(operations) - found)


def _operations(value: tuple[str, ...]) -> tuple[str, ...]:
    for index, operation in enumerate(value):
        if operation in value[:index]:
            raise refuse(f'must not name "{operation}" twice', field=(index,))
    return tuple(sorted(value))


def _pairs(value: Mapping[str, str]) -> dict[str, str]:
    if len(value) > 8:
        raise refuse(f"must hold at most 8 pairs, not {len(value)}")
    for name, text in value.items():
        if not name or len(text) > 384:
            raise refuse("must have a name and a value of at most 384 characters", field=(name,))
    return {name: value[name] for name in sorted(value)}


Pairs = Annotated[dict[str, str], Field(min_length=1), AfterValidator(_pairs)]


class Constraints(Strict):
    """To which encryption contexts the grant is limited: those that hold these pairs, or exactly these pairs."""

    encryption_context_subset: Pairs | None = None
    encryption_context_equals: Pairs | None = None

    @model_validator(mode="after")
    def _one_constraint(self) -> Constraints:
        if (self.encryption_context_subset is None) == (self.encryption_context_equals is None):
            raise refuse(
                "must hold exactly one of encryptionContextSubset and encryptionContextEquals", code="exactly-one"
            )
        return self


class GrantSpec(Spec):
    """``operations`` are in alphabetical order, each once: a grant's operations are a set."""

    name_pattern: ClassVar[str] = r"[A-Za-z0-9:/_-]{1,256}"
    name_form: ClassVar[str] = "1 to 256 letters, digits and : / _ -"
    parent: ClassVar[str | None] = "key"

    key: KeyRef
    grantee_principal: Grantee
    retiring_principal: Grantee | None = None
    operations: Annotated[tuple[GrantOperation, ...], Field(min_length=1), AfterValidator(_operations)]
    constraints: Constraints | None = None
