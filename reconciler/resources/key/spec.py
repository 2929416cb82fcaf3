"""What a Key manifest says (KM1)."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, ClassVar, Literal, get_args

from pydantic import Field, field_validator

from reconciler.resources.field_types import Boolean, Duration, Tags, Word, refuse, unsupported
from reconciler.resources.spec import Spec, Strict

KeySpecName = Literal[
    "SYMMETRIC_DEFAULT",
    "RSA_2048",
    "RSA_3072",
    "RSA_4096",
    "ECC_NIST_P256",
    "ECC_NIST_P384",
    "ECC_NIST_P521",
    "ECC_SECG_P256K1",
    "HMAC_224",
    "HMAC_256",
    "HMAC_384",
    "HMAC_512",
]
KeyUsageName = Literal["ENCRYPT_DECRYPT", "SIGN_VERIFY", "GENERATE_VERIFY_MAC", "KEY_AGREEMENT"]


class Rotation(Strict):
    """``spec.rotation``: ``every`` is desired state, a changed ``trigger`` rotates once (CONTRACT 1)."""

    every: Annotated[timedelta, Duration("90d", "2560d", whole_days=True)] | None = None
    trigger: Word | None = None


class KeySpec(Spec):
    """A customer-managed key. ``deletion_window`` is how long it can be called back once its deletion is scheduled."""

    unobserved: ClassVar[tuple[str, ...]] = ("rotation.trigger", "deletionWindow")

    description: Annotated[str, Field(max_length=8192)] = ""
    key_spec: KeySpecName = "SYMMETRIC_DEFAULT"
    key_usage: KeyUsageName = "ENCRYPT_DECRYPT"
    enabled: Boolean = True
    multi_region: Boolean = False
    rotation: Rotation = Rotation()
    deletion_window: Annotated[timedelta, Duration("7d", "30d", whole_days=True)] = timedelta(days=30)
    tags: Tags = Field(default_factory=dict)

    @field_validator("key_spec")
    @classmethod
    def _symmetric_so_far(cls, value: KeySpecName) -> KeySpecName:
        if value != get_args(KeySpecName)[0]:
            raise unsupported(what=f"is {value}, which is")
        return value

    @field_validator("key_usage")
    @classmethod
    def _usage_of_the_key_spec(cls, value: KeyUsageName) -> KeyUsageName:
        if value != get_args(KeyUsageName)[0]:
            raise refuse("must be ENCRYPT_DECRYPT for a key of keySpec SYMMETRIC_DEFAULT")
        return value
