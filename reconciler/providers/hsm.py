"""HsmProvider: partitions of hardware security modules as roots of clusters (HS1–HS9), and the link's certificates.

A partition's *configuration* (HS5) is what ``create_partition`` keeps: where it is, how its PIN is had, who may answer
there. The PIN itself is kept nowhere; every process asks for it at its source. A *cluster key* (the CEK of HS2) is made
in the partition under an id that the asker chose and wrote down before, so that an unknown outcome is settled by
looking (I10); its bytes never leave. Every call may raise HsmUnavailable (nobody could be asked) or HsmError with the
``HsmFault`` that says why.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from reconciler.access.caller import Caller
from reconciler.envelope.data_key import DataKey
from reconciler.errors.hsm import HsmFault

if TYPE_CHECKING:
    from reconciler.providers.secret_source import SecretSource

Context = Mapping[str, str]


class Suite(StrEnum):
    """How a partition wraps a data key, best first. Chosen once per cluster key by a live self-test, written into each
    blob, never changed for a key that is there (PKCS11.md 3)."""

    GCM = "gcm"
    KWP = "kwp"
    CBC_HMAC = "cbc-hmac"


class Verification(StrEnum):
    """How a cluster is moved to a partition: under a key made and proved there, or with the keys that the vendor's own
    tools replicated, of which only the connection is tried (HS6)."""

    FULL = "full"
    CONNECTION_ONLY = "connection-only"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCertificateRequest:
    """A certificate for our side of the link. The provider makes the key pair and keeps the private half sealed
    (HS4)."""

    name: str
    common_name: str
    valid_days: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCertificateDescription:
    """``pem`` is the public certificate that is registered at the HSM (HS9); ``fingerprint`` its SHA-256 in hex."""

    name: str
    arn: str
    common_name: str
    pem: str
    fingerprint: str
    not_before: datetime
    not_after: datetime
    used_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionRequest:
    """A partition's configuration. Exactly one of ``token_label`` and ``slot`` finds it the first time; afterwards its
    marker key tells that it is the same. ``address`` (HOST:PORT of an agent), ``server_certificate`` (PEM, pinned) and
    ``client_certificate`` (a name) are all given or none: without them the provider's own module reaches it."""

    name: str
    pin_from: SecretSource
    token_label: str | None = None
    slot: int | None = None
    address: str | None = None
    server_certificate: str | None = None
    client_certificate: str | None = None
    allow_unenforced: bool = False
    verify: Verification = Verification.FULL


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionDescription:
    """A partition as its configuration says, without asking the HSM. ``uid`` is the id of its marker key. ``suites``
    passed their self-test at adoption, best first; ``enforced``: it kept non-extractable keys in.
    ``server_certificate`` (PEM) is the pinned one, ``server_fingerprint`` (SHA-256 in hex) and ``server_not_after`` are
    of it; ``serial`` and ``slot`` are hints."""

    name: str
    arn: str
    uid: str
    created_at: datetime
    pin_from: SecretSource
    suites: tuple[Suite, ...]
    enforced: bool
    allow_unenforced: bool
    verify: Verification
    token_label: str | None = None
    slot: int | None = None
    address: str | None = None
    server_certificate: str | None = None
    server_fingerprint: str | None = None
    server_not_after: datetime | None = None
    client_certificate: str | None = None
    module: str | None = None
    serial: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyVerdict:
    """What is wrong with one cluster key (KEY_MISSING, KEY_DUPLICATE, KEY_SUBSTITUTED, KEY_WEAKENED)."""

    key_id: str
    fault: HsmFault
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionCondition:
    """What asking it now showed. ``fault`` None: its marker opens, so ``keys`` (what is wrong with keys that it should
    have) and ``orphans`` (ids of ours that nothing is recorded of) can be judged; otherwise both are empty."""

    fault: HsmFault | None = None
    detail: str = ""
    keys: tuple[KeyVerdict, ...] = ()
    orphans: tuple[str, ...] = ()
    enforced: bool | None = None
    serial: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterKeyDescription:
    """A cluster key in a partition (its name). ``retired_at``: nothing new goes under it; it still opens what it
    wrapped."""

    key_id: str
    partition: str
    suite: Suite
    created_at: datetime
    retired_at: datetime | None = None


@runtime_checkable
class HsmProvider(Protocol):
    """HSM partitions of one account and Region. Mutating calls take ``token`` as everywhere (I11)."""

    @property
    def account(self) -> str:
        """Its account, 12 digits."""

    @property
    def region(self) -> str:
        """Its Region."""

    def create_client_certificate(
        self, caller: Caller, request: ClientCertificateRequest, *, token: str
    ) -> ClientCertificateDescription:
        """A new key pair and its self-signed certificate (HS4). AlreadyExistsException."""

    def find_client_certificate(self, caller: Caller, *, token: str) -> ClientCertificateDescription | None:
        """The certificate that was made for that token, if it was (recovery, I10)."""

    def describe_client_certificates(
        self, caller: Caller, names: Collection[str] | None = None
    ) -> list[ClientCertificateDescription]:
        """All, or those of these names (absent ones are left out), ordered by name."""

    def delete_client_certificate(self, caller: Caller, name: str) -> None:
        """Remove it, private key and all; no error when it is gone. ConflictException while a partition uses it."""

    def create_partition(self, caller: Caller, request: PartitionRequest, *, token: str) -> PartitionDescription:
        """Reach the partition, test it (mechanisms, enforcement), put our marker key into it and keep the
        configuration. AlreadyExistsException; HsmUnavailable or IncompatibleHsm, and nothing is kept or left there."""

    def find_partition(self, caller: Caller, *, token: str) -> PartitionDescription | None:
        """The partition that was configured for that token, if it was."""

    def modify_partition(self, caller: Caller, request: PartitionRequest) -> PartitionDescription:
        """Another PIN source, address, certificate or rule for the same partition: its marker must open there, or
        nothing is changed (IncompatibleHsm, REINITIALISED). No-op when it is so already."""

    def describe_partitions(self, caller: Caller, names: Collection[str] | None = None) -> list[PartitionDescription]:
        """All, or those of these names (absent ones are left out), ordered by name. Asks no HSM."""

    def probe_partition(self, caller: Caller, name: str, *, key_ids: Collection[str] = ()) -> PartitionCondition:
        """Ask the partition now, in a fresh worker: link, marker, and the canary of each of its cluster keys
        (``key_ids`` beside those recorded). What cannot be asked is the ``fault``, never an error."""

    def delete_partition(self, caller: Caller, name: str) -> None:
        """Forget the configuration and remove our marker, as far as it can be reached; keys stay in the token. No error
        when it is gone. ConflictException while a cluster key of it is not destroyed."""


@runtime_checkable
class KeepsClusterKeys(Protocol):
    """Partitions as roots (HS2, HS3). ``partition`` is a name or ARN; ResourceNotFoundException."""

    def verify_partition(self, caller: Caller, partition: str) -> PartitionDescription:
        """It answers, is the one that was adopted, and passes the checks of its adoption. HsmUnavailable,
        IncompatibleHsm (HS5)."""

    def create_cluster_key(self, caller: Caller, partition: str, key_id: str) -> ClusterKeyDescription:
        """A new AES-256 key made by the partition under that id (32 hex digits), non-extractable, proved by a canary
        (I2). With the id of one that is there: that one, if it opens its canary."""

    def wrap_data_key(self, caller: Caller, partition: str, key_id: str, key: DataKey, context: Context) -> bytes:
        """``key`` (32 bytes) encrypted by the token under the cluster key, bound to ``context`` (I7)."""

    def unwrap_data_key(self, caller: Caller, partition: str, key_id: str, wrapped: bytes, context: Context) -> DataKey:
        """What ``wrap_data_key`` was given, in one token operation. InvalidCiphertextException for another key, context
        or byte."""

    def describe_cluster_keys(
        self, caller: Caller, partition: str | None = None, *, key_ids: Collection[str] | None = None
    ) -> list[ClusterKeyDescription]:
        """What is recorded of them, of one partition or all, ordered by id. Asks no HSM."""

    def adopt_cluster_key(self, caller: Caller, partition: str, key_id: str) -> ClusterKeyDescription:
        """Record a key that the vendor's tools replicated from another partition; only the connection is tried
        (HS6)."""

    def retire_cluster_key(self, caller: Caller, partition: str, key_id: str) -> None:
        """Nothing new goes under it; no error when it is retired."""

    def destroy_cluster_key(self, caller: Caller, partition: str, key_id: str) -> None:
        """Remove a retired key from the token, for ever; no error when it is gone. ConflictException when it is not
        retired."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetiredClusterKey:
    """A cluster key in ``partition`` (an ARN) that its data plane put nothing more under. ``is_needed``: something
    stored still names its id, in another partition that it was replicated to."""

    key_id: str
    partition: str
    retired_at: datetime
    is_needed: bool = False


@runtime_checkable
class RetiresClusterKeys(Protocol):
    """A data plane that knows which cluster keys in partitions it needs no longer (RO1). It destroys none by itself: a
    backup of what is under them may be."""

    def retired_cluster_keys(self) -> list[RetiredClusterKey]:
        """Ordered by partition and id; from what is stored, asking no HSM."""

    def needed_cluster_keys(self, key_ids: Collection[str]) -> list[str]:
        """Which of these something stored names, in whatever partition and retired or not; ordered. Asks no HSM."""

    def destroy_retired_cluster_keys(
        self, caller: Caller, key_ids: Collection[str], *, partition: str | None = None
    ) -> list[str]:
        """Remove these from their tokens, or only from that of ``partition`` (an ARN), for ever; the ids of those that
        went. Ids that are not retired are passed over; ConflictException, and nothing is destroyed, when one is still
        needed. HsmError."""
