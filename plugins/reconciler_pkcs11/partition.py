"""What one partition of an HSM is asked: the narrow protocol of the worker, in this process's child or behind an agent.

Nothing here exports a key. Every call is one request and one answer; handles never cross it. Both ways (``local``: a
worker child over pipes; ``link``: an agent over mutual TLS) pass the same contract suite. Every call raises
HsmUnavailable or HsmError with its ``HsmFault`` (PKCS11.md 2); a mutating call whose outcome is unknown (the worker
died in it) says HsmUnavailable, and the asker looks by id.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from reconciler.envelope.data_key import DataKey
from reconciler.providers.hsm import Suite


class Leak(StrEnum):
    """How a token gave out a key that was made sensitive and non-extractable (PKCS11.md 1)."""

    READ = "its value can be read"
    WRAPPED = "it wraps it under another key"
    COPIED = "it copies it with other attributes"
    CHANGED = "it lets the attributes be changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """What an adoption check found, by throw-away session keys. ``suites`` passed a live round trip and refused another
    context, best first; ``leaks`` is empty for a token that keeps keys in."""

    label: str
    serial: str
    model: str
    manufacturer: str
    slot: int
    suites: tuple[Suite, ...]
    leaks: tuple[Leak, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenKey:
    """A key object of ours: ``key_id`` is its CKA_ID (32 hex digits), ``label`` begins with ``reconciler/``.
    ``weakened`` names the attributes that are not as they were made (``EXTRACTABLE``), in order."""

    key_id: str
    label: str
    weakened: tuple[str, ...] = ()


class Partition(Protocol):
    """An open, logged-in partition. One request at a time; threads take turns."""

    def examine(self) -> Examination:
        """See ``Examination``."""

    def list_keys(self) -> list[TokenKey]:
        """Every whole key object in our label namespace; half objects and strangers' are passed over."""

    def find_keys(self, key_id: str) -> list[TokenKey]:
        """Those of ``list_keys`` that have this id: none, one, or what is a duplicate. What a use asks before it
        begins (a label says whether the key is enabled), so at the cost of one."""

    def generate(self, key_id: str, label: str, suite: Suite, *, relabelled: bool = False) -> None:
        """A new AES-256 token key: sensitive, non-extractable, for ``suite``'s pair of uses only, and not modifiable
        unless ``relabelled``. KEY_DUPLICATE when the id is taken, whatever holds it."""

    def wrap(self, key_id: str, suite: Suite, key: DataKey, aad: bytes) -> bytes:
        """``key`` under the token key: version, suite, key id, IV, ciphertext (documented in ``blob.py``). KEY_MISSING,
        KEY_DUPLICATE."""

    def unwrap(self, blob: bytes, aad: bytes) -> DataKey:
        """What ``wrap`` was given; one token operation on the key that the blob names. InvalidCiphertextException for
        another context or byte (where the token's answer might mean that it is ill, a round trip under the same key
        tells: HsmUnavailable when that fails, too), and for a key that is another one of the same id, which the
        caller's canary tells. KEY_MISSING, KEY_DUPLICATE."""

    def relabel(self, key_id: str, label: str) -> None:
        """Another label for a key that was made so that it may have one."""

    def destroy(self, key_id: str, label: str) -> None:
        """Remove the key of that id and label; no error when it is gone. Never anything outside our labels."""

    def close(self) -> None:
        """Log out, and end the worker or the connection."""
