"""Capabilities of a key service beyond its own fresh material: imported material, and keys of several Regions (KM1).

Names and rules are the public API's (reference, "Rotation, deletion, multi-Region, import").
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, runtime_checkable

from reconciler.access.caller import Caller
from reconciler.providers.keys import KeyDescription, PolicyDocument


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportParameters:
    """What material is wrapped with for its import. ``public_key`` is DER (SubjectPublicKeyInfo)."""

    key_arn: str
    import_token: bytes
    public_key: bytes
    valid_to: datetime


@runtime_checkable
class ImportsKeyMaterial(Protocol):
    """Keys of origin EXTERNAL, whose material comes from outside."""

    def get_parameters_for_import(
        self, caller: Caller, key_id: str, *, wrapping_algorithm: str, wrapping_key_spec: str
    ) -> ImportParameters:
        """A fresh wrapping key, good for 24 hours."""

    def import_key_material(
        self,
        caller: Caller,
        key_id: str,
        *,
        import_token: bytes,
        encrypted_material: bytes,
        expires_at: datetime | None = None,
    ) -> str:
        """Take the wrapped material in; its id. The same material again is no error; another one is
        IncorrectKeyMaterialException. InvalidImportTokenException, ExpiredImportTokenException."""

    def delete_imported_key_material(self, caller: Caller, key_id: str) -> None:
        """Destroy it: the key is PendingImport until the same material is imported again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaRequest:
    """What a replica has of its own. ``policy`` None: the default policy of the account."""

    region: str
    description: str = ""
    policy: PolicyDocument | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


@runtime_checkable
class ReplicatesKeys(Protocol):
    """Multi-Region keys: one id and material in several Regions."""

    def replicate_key(self, caller: Caller, key_id: str, request: ReplicaRequest) -> KeyDescription:
        """A replica of this primary in another Region. AlreadyExistsException when there is one."""

    def update_primary_region(self, caller: Caller, key_id: str, *, region: str) -> None:
        """Let the replica of that Region be the primary from now on."""
