"""What a data plane shows of itself to whoever only looks: no key is used, nothing is opened, nothing is written.

Capabilities beside WarehouseProvider and TableProvider; a data plane without them is not looked into that deep.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol, runtime_checkable

SAMPLE_BYTES: Final = 4096
_LEAST_TEXT: Final = 64
_LEAST_COMPRESSED: Final = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldGrant:
    """A grant that a service made for one of its objects and works from. ``what``, ``name`` and ``arn`` are those of
    the object; ``context`` is the encryption context of its requests."""

    grant_id: str
    key_arn: str
    what: str
    name: str
    arn: str
    grantee: str
    operations: tuple[str, ...]
    context: Mapping[str, str]


@runtime_checkable
class HoldsGrants(Protocol):
    """A data plane that tells which grants it works from (KS5)."""

    def held_grants(self) -> list[HeldGrant]:
        """Every grant that something stored rests on, and those that wait to be retired (``what`` is then ``""``),
        ordered by id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyVersion:
    """Under which version of its keys something of a cluster is. ``owner`` is the cluster's ARN; ``what`` and ``name``
    say of which part, ``count`` how many of them. ``made_at`` is when the key was made, None where that is not kept.
    ``is_current``: nothing newer was to take its place."""

    owner: str
    what: str
    name: str
    version: str
    count: int = 1
    made_at: datetime | None = None
    is_current: bool = True


@runtime_checkable
class CountsKeyVersions(Protocol):
    """A data plane whose rotations can be counted in what is stored, not in what it remembers (I20)."""

    def key_versions(self) -> list[KeyVersion]:
        """Clusters' own keys, their snapshots' and their key tables', ordered by owner, what and name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaintextFound:
    """Readable bytes where ciphertext has to be. ``arn`` is that of the cluster, snapshot or table that they belong
    to, ``where`` the file or row, ``why`` what gave them away. Never holds any of the bytes."""

    arn: str
    where: str
    why: str


@runtime_checkable
class SamplesStorage(Protocol):
    """A data plane that looks at its own raw bytes (I18)."""

    def plaintext_found(self) -> list[PlaintextFound]:
        """What of the encrypted clusters or tables is readable without a key, ordered by ARN; a few kilobytes of each
        file are read, nothing is decrypted."""


def readable(sample: bytes) -> str | None:
    """Why ``sample`` is no ciphertext; None when it may be. Ciphertext is told from nothing: it is no text, and no
    compressor makes it smaller; the chance of calling it readable is below 2^-60."""
    if len(sample) >= _LEAST_TEXT:
        try:
            sample.decode()
        except UnicodeDecodeError:
            pass
        else:
            return "it is text"
    if len(sample) >= _LEAST_COMPRESSED and len(zlib.compress(sample, 1)) < len(sample) * 0.9:
        return "it can be compressed"
    return None
