"""What a destination of snapshot copies can do, and what is said to it (SC4).

The protocol is ours, between warehouses of any Region or process: what crosses it is ciphertext, names, public keys.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from reconciler.access.caller import Caller
from reconciler.providers.data import CopyGrantDescription, Root, SnapshotDescription


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedVector:
    """A delete vector as the source has it: still sealed."""

    version: int
    rows: int
    dek: str | None
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedSegment:
    """A segment as the source has it: its key table is still sealed. ``identity`` is what it was made as, when it came
    into its cluster by a restore; ``vector`` says which of its rows are deleted."""

    uid: str
    table: str
    ordinal: int
    generation: int
    dek: str | None
    body: bytes
    rows: int
    bytes: int
    identity: str | None
    vector: OfferedVector | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotOffer:
    """A snapshot that is to be copied, without segments and keys. Times are ISO 8601. ``grant`` names the copy grant
    at the destination, None for the owned key there; ``root`` is what it stood for when copying was switched on.
    ``loads`` are table, digest and place of each file that was loaded."""

    uid: str
    name: str
    kind: str
    cluster: str
    cluster_uid: str
    cluster_created_at: str
    created_at: str
    origin: str
    source_region: str
    source_arn: str
    retention_days: int
    grant: str | None
    root: Root
    dek: str | None
    tables: Mapping[str, str]
    loads: tuple[tuple[str, str, int], ...]
    manifest_version: int
    manifest_tag: bytes


class IncomingSnapshot(Protocol):
    """A copy while it is being received. Taken up after a crash: what arrived durably is not asked for again."""

    @property
    def is_complete(self) -> bool:
        """Whether the copy is there already."""

    def transport_key(self) -> bytes | None:
        """The public half of a random RSA pair (DER), None when no key needs to travel."""

    def accept_keys(self, transfer: bytes, deks: Mapping[str, bytes]) -> None:
        """The transfer key under the transport key, and the DEKs under the transfer key."""

    def arrived_segments(self) -> Collection[str]:
        """Uids of the segments that arrived durably."""

    def accept_segment(self, offered: OfferedSegment, chunks: Iterable[memoryview]) -> None:
        """A segment, with its file as it is stored at the source."""

    def finish(self) -> SnapshotDescription:
        """Verify all of it under the destination's own root, that nothing is missing too; from then on the copy
        exists."""


@runtime_checkable
class ReceivesSnapshots(Protocol):
    """A warehouse that copies can be sent to."""

    @property
    def account(self) -> str:
        """Its account."""

    @property
    def region(self) -> str:
        """Its Region."""

    @property
    def provider_name(self) -> str:
        """Its name among the providers of the project."""

    def describe_snapshot_copy_grants(
        self, caller: Caller, names: Collection[str] | None = None
    ) -> list[CopyGrantDescription]:
        """As of ``WarehouseProvider``."""

    def receive_snapshot(
        self, caller: Caller, offer: SnapshotOffer, *, token: str
    ) -> AbstractContextManager[IncomingSnapshot]:
        """Begin, or go on, to receive that copy. AlreadyExistsException when another snapshot has its name."""
