"""What a Key manifest says (KM1)."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import Field, ValidationInfo, model_validator

from reconciler.resources.field_types import (
    Boolean,
    Duration,
    HsmPartitionRef,
    Integer,
    KeyRef,
    Moment,
    Tags,
    Word,
    refuse,
)
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
Origin = Literal["AWS_KMS", "EXTERNAL"]

SYMMETRIC: Final = "SYMMETRIC_DEFAULT"
ENCRYPT_DECRYPT: Final = "ENCRYPT_DECRYPT"
USAGES: Final[dict[str, tuple[str, ...]]] = {
    SYMMETRIC: (ENCRYPT_DECRYPT,),
    "RSA_2048": (ENCRYPT_DECRYPT, "SIGN_VERIFY"),
    "RSA_3072": (ENCRYPT_DECRYPT, "SIGN_VERIFY"),
    "RSA_4096": (ENCRYPT_DECRYPT, "SIGN_VERIFY"),
    "ECC_NIST_P256": ("SIGN_VERIFY", "KEY_AGREEMENT"),
    "ECC_NIST_P384": ("SIGN_VERIFY", "KEY_AGREEMENT"),
    "ECC_NIST_P521": ("SIGN_VERIFY", "KEY_AGREEMENT"),
    "ECC_SECG_P256K1": ("SIGN_VERIFY",),
    "HMAC_224": ("GENERATE_VERIFY_MAC",),
    "HMAC_256": ("GENERATE_VERIFY_MAC",),
    "HMAC_384": ("GENERATE_VERIFY_MAC",),
    "HMAC_512": ("GENERATE_VERIFY_MAC",),
}
"""What a key of each spec can be for, as the public API has it (reference, "CreateKey")."""

# What a replica has from its primary (reference, "ReplicateKey"), in Python's spelling and in manifests'.
_SHARED: Final = {
    "key_spec": "keySpec",
    "key_usage": "keyUsage",
    "multi_region": "multiRegion",
    "origin": "origin",
    "rotation": "rotation",
}


class Rotation(Strict):
    """``spec.rotation``: ``every`` is desired state, a changed ``trigger`` rotates once (CONTRACT 1)."""

    every: Annotated[timedelta, Duration("90d", "2560d", whole_days=True)] | None = None
    trigger: Word | None = None


class MaterialSource(Strict):
    """Where the bytes come from when an apply imports them: ``file``, absolute or below the project, readable by its
    owner alone; ``fd``, a descriptor that the command was started with; or ``command``, which the operator's file must
    list, and whose output it is, byte for byte. A plan reads none of them."""

    file: Annotated[str, Field(min_length=1, max_length=4096)] | None = None
    fd: Annotated[Integer, Field(ge=3, le=65535)] | None = None
    # Left out where it says nothing: the digest of what was declared before there was one stays what it was.
    command: Annotated[
        Annotated[tuple[Annotated[str, Field(max_length=4096)], ...], Field(min_length=1, max_length=64)] | None,
        Field(exclude_if=lambda value: value is None),
    ] = None

    @model_validator(mode="after")
    def _one_source(self) -> MaterialSource:
        if sum(each is not None for each in (self.file, self.fd, self.command)) != 1:
            raise refuse("must hold exactly one of file, fd and command", code="exactly-one")
        if self.command is not None and not self.command[0].startswith("/"):
            raise refuse("must begin with the absolute path of what is run", field="command")
        if self.file is not None and (".." in self.file.split("/") or "\0" in self.file):
            raise refuse("must be an absolute path, or one below the project, without ..", field="file")
        return self


class Material(Strict):
    """``spec.material``: what is imported into a key of origin EXTERNAL, and when it expires there (None: never)."""

    source: Annotated[MaterialSource, Field(alias="from")]
    expires: Moment | None = None


class KeySpec(Spec):
    """A customer-managed key. ``deletion_window`` is how long it can be called back once its deletion is scheduled.
    ``replica_of`` makes it the replica of a multi-Region key of another Region: spec, usage, origin and rotation are
    then those of that key. ``partition`` is where a key of an HSM lives (none named: in its provider's only one).
    ``material`` is imported into a key of origin EXTERNAL, and into a replica of one."""

    unobserved: ClassVar[tuple[str, ...]] = ("rotation.trigger", "deletionWindow", "material")
    other_region: ClassVar[tuple[str, ...]] = ("replica_of",)
    same_place: ClassVar[tuple[str, ...]] = ("partition",)

    description: Annotated[str, Field(max_length=8192)] = ""
    key_spec: KeySpecName = "SYMMETRIC_DEFAULT"
    key_usage: KeyUsageName = "ENCRYPT_DECRYPT"
    enabled: Boolean = True
    multi_region: Boolean = False
    rotation: Rotation = Rotation()
    deletion_window: Annotated[timedelta, Duration("7d", "30d", whole_days=True)] = timedelta(days=30)
    tags: Tags = Field(default_factory=dict)
    # Left out where they say nothing: the digest of every key that has none of them stays what it was.
    origin: Annotated[Origin, Field(exclude_if=lambda value: value == "AWS_KMS")] = "AWS_KMS"
    material: Annotated[Material | None, Field(exclude_if=lambda value: value is None)] = None
    replica_of: Annotated[KeyRef | None, Field(exclude_if=lambda value: value is None)] = None
    partition: Annotated[HsmPartitionRef | None, Field(exclude_if=lambda value: value is None)] = None

    @model_validator(mode="after")
    def _fits_together(self, info: ValidationInfo) -> KeySpec:
        if self.replica_of is not None:
            self._as_replica(is_manifest=info.context is not None)
            return self
        is_written = info.context is None or "key_usage" in self.model_fields_set
        if self.key_usage not in USAGES[self.key_spec] or (self.key_spec != SYMMETRIC and not is_written):
            raise refuse(
                f"must be {' or '.join(USAGES[self.key_spec])} for a key of keySpec {self.key_spec}", field="keyUsage"
            )
        if self.rotation != Rotation():
            self._rotates()
        if self.material is not None and self.origin != "EXTERNAL":
            raise refuse(
                "belongs to a key of imported material", field="material", suggestion="Write origin: EXTERNAL too."
            )
        return self

    def _rotates(self) -> None:
        if self.key_spec != SYMMETRIC:
            raise refuse(
                f"does not belong to a key of keySpec {self.key_spec}: only {SYMMETRIC} keys rotate (KM10)",
                field="rotation",
                suggestion="Declare a second key instead, and let whoever uses this one switch.",
            )
        if self.origin != "AWS_KMS":
            raise refuse(
                "does not belong to a key of imported material, of which the service cannot make new",
                field="rotation",
                suggestion="Declare a second key instead, and let what names this one switch.",
            )

    def _as_replica(self, *, is_manifest: bool) -> None:
        defaults: dict[str, Any] = {name: type(self).model_fields[name].get_default() for name in _SHARED}
        for name, spelled in _SHARED.items():
            if getattr(self, name) != defaults[name] or (is_manifest and name in self.model_fields_set):
                raise refuse(
                    f"does not belong to a replica, which has it from {self.replica_of}",
                    field=spelled,
                    suggestion="Write it there, or leave it out.",
                )
