"""KeyProvider: a key service of one account and Region, and its optional capabilities (STYLE habit 5).

Operations and fields follow the public key-service API (KM1–KM10), in Python's spelling. Each call carries its caller
and answers with the public error names (``reconciler.errors``); each is one audit record (KM9). A ``key_id`` may be
an id or an ARN everywhere; in ``describe_keys``, ``encrypt`` and ``generate_data_key`` also an alias name
(``alias/x``) or alias ARN. ``context`` is an encryption context: non-secret pairs (KM4). Times are aware datetimes in
UTC.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

from reconciler.access.caller import Caller
from reconciler.envelope.data_key import DataKey

Context = Mapping[str, str]
PolicyDocument = Mapping[str, Any]


class KeyState(StrEnum):
    """The public key states (reference, "Key states")."""

    CREATING = "Creating"
    ENABLED = "Enabled"
    DISABLED = "Disabled"
    PENDING_DELETION = "PendingDeletion"
    PENDING_IMPORT = "PendingImport"
    PENDING_REPLICA_DELETION = "PendingReplicaDeletion"
    UNAVAILABLE = "Unavailable"
    UPDATING = "Updating"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRequest:
    """What a new key shall be. ``policy`` None: the default policy of the account (reference, "Policies").
    ``bypass_lockout_check``: the caller may lock itself out. ``origin`` is AWS_KMS, or EXTERNAL for material that is to
    be imported. ``partition`` names the partition of an HSM that it is made in; None: the provider's only one."""

    description: str = ""
    key_spec: str = "SYMMETRIC_DEFAULT"
    key_usage: str = "ENCRYPT_DECRYPT"
    multi_region: bool = False
    policy: PolicyDocument | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    origin: str = "AWS_KMS"
    bypass_lockout_check: bool = False
    partition: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyDescription:
    """A key as the service describes it. ``material_id`` names the newest material; ``rotated_at`` is when that was
    made.

    ``rotation_period_days`` is None when automatic rotation is off. ``material_id`` is "" while there is none (pending
    import); ``material_expires_at`` is when imported material goes. Of a multi-Region key, ``primary_arn`` names the
    primary and ``replica_arns`` its replicas. ``partition`` names the HSM's partition that has it.
    """

    key_id: str
    arn: str
    account: str
    region: str
    description: str
    key_spec: str
    key_usage: str
    state: KeyState
    multi_region: bool
    created_at: datetime
    material_id: str
    rotated_at: datetime
    rotation_period_days: int | None = None
    deletion_date: datetime | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    origin: str = "AWS_KMS"
    material_expires_at: datetime | None = None
    primary_arn: str | None = None
    replica_arns: tuple[str, ...] = ()
    partition: str | None = None


@dataclass(frozen=True, slots=True)
class GeneratedDataKey:
    """A new data key: in clear as a handle, and wrapped under the key ``key_arn`` (KM5)."""

    plaintext: DataKey
    wrapped: bytes
    key_arn: str
    material_id: str


@dataclass(frozen=True, slots=True)
class DecryptedKey:
    """What ``decrypt`` opened, as a handle that does not print."""

    plaintext: DataKey
    key_arn: str
    material_id: str


class KeyProvider(Protocol):
    """Keys of one account and Region: make, describe, use. Everything beyond is a capability below.

    Every mutating call takes ``token``: the same call again with the same token changes nothing more and answers the
    same (I11). Descriptions of several keys come in one call, so that a refresh is a sweep (DESIGN 4).
    """

    @property
    def account(self) -> str:
        """Its account, 12 digits."""

    @property
    def region(self) -> str:
        """Its Region."""

    def create_key(self, caller: Caller, request: KeyRequest, *, token: str) -> KeyDescription:
        """A new customer-managed key, durable before it is answered (I2). MalformedPolicyDocumentException,
        TagException, ValidationException."""

    def find_key(self, caller: Caller, *, token: str) -> KeyDescription | None:
        """The key that ``create_key`` made for that token, if it ever did (recovery, I10)."""

    def describe_keys(self, caller: Caller, key_ids: Sequence[str]) -> dict[str, KeyDescription]:
        """Description of each key under the name it was asked by; what does not exist is left out.
        AccessDeniedException names the first key that the caller may not describe."""

    def list_keys(self, caller: Caller) -> list[KeyDescription]:
        """All customer-managed keys of the account in the Region, ordered by id."""

    def update_key_description(self, caller: Caller, key_id: str, description: str) -> None:
        """Give the key another description."""

    def enable_key(self, caller: Caller, key_id: str) -> None:
        """Let the key be used again; no error when it is enabled."""

    def disable_key(self, caller: Caller, key_id: str) -> None:
        """Stop every use of the key at once; no error when it is disabled."""

    def schedule_key_deletion(self, caller: Caller, key_id: str, *, waiting_days: int) -> datetime:
        """Begin the deletion window (7–30 days); the date at which the material goes. Every use stops at once.
        Repeating it answers the date that stands (embedded service; the public API refuses)."""

    def cancel_key_deletion(self, caller: Caller, key_id: str) -> None:
        """End the deletion window; the key is left Disabled (reference, "Rotation, deletion"). No error when not
        pending."""

    def tag_resource(self, caller: Caller, key_id: str, tags: Mapping[str, str]) -> None:
        """Set these tags, keeping the others."""

    def untag_resource(self, caller: Caller, key_id: str, tag_keys: Sequence[str]) -> None:
        """Remove these tags; absent ones are no error."""

    def generate_data_key(
        self, caller: Caller, key_id: str, context: Context, *, number_of_bytes: int = 32
    ) -> GeneratedDataKey:
        """A fresh data key, in clear and wrapped (KM5)."""

    def encrypt(self, caller: Caller, key_id: str, plaintext: bytes, context: Context) -> bytes:
        """Ciphertext of at most 4096 bytes, bound to ``context``."""

    def decrypt(
        self, caller: Caller, ciphertext: bytes, context: Context, *, key_id: str | None = None
    ) -> DecryptedKey:
        """Open a ciphertext; the key is found from it. With ``key_id``, IncorrectKeyException if it is another's.
        InvalidCiphertextException when damaged or under another context."""

    def re_encrypt(
        self, caller: Caller, ciphertext: bytes, source_context: Context, key_id: str, context: Context
    ) -> bytes:
        """The same plaintext under another key or context, without showing it (KM5)."""


@runtime_checkable
class RotatesKeys(Protocol):
    """Rotation on demand and by period (KM1, KM10): old material is kept, old ciphertext still opens."""

    def rotate_key(self, caller: Caller, key_id: str, *, token: str) -> str:
        """Make new material now and answer its id; with the same token again, the id that it made."""

    def enable_key_rotation(self, caller: Caller, key_id: str, *, period_days: int) -> None:
        """Rotate by itself every ``period_days`` days."""

    def disable_key_rotation(self, caller: Caller, key_id: str) -> None:
        """No longer rotate by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AliasDescription:
    """A name for a key. ``name`` begins with ``alias/``; ``target_key_id`` is an id."""

    name: str
    arn: str
    target_key_id: str


@runtime_checkable
class NamesKeys(Protocol):
    """Aliases: unique names per account and Region, each for one key."""

    def create_alias(self, caller: Caller, name: str, key_id: str) -> AliasDescription:
        """Name a key. No error when the alias names that key already; AlreadyExistsException when it names another."""

    def update_alias(self, caller: Caller, name: str, key_id: str) -> None:
        """Let the alias name another key; NotFoundException."""

    def delete_alias(self, caller: Caller, name: str) -> None:
        """Remove the alias; no error when it is gone."""

    def list_aliases(self, caller: Caller, names: Collection[str] | None = None) -> list[AliasDescription]:
        """All of the account and Region, or those of these names, ordered by name."""


@runtime_checkable
class HoldsPolicies(Protocol):
    """One key policy a key (KM2)."""

    def get_key_policies(self, caller: Caller, key_ids: Sequence[str]) -> dict[str, PolicyDocument]:
        """The policy of each key, under the name it was asked by; keys that do not exist are left out."""

    def put_key_policy(
        self, caller: Caller, key_id: str, policy: PolicyDocument, *, bypass_lockout_check: bool = False
    ) -> None:
        """Replace the key's policy. MalformedPolicyDocumentException when it is malformed or, unless that check is
        bypassed, would keep the caller from ever putting a policy again."""

    def default_key_policy(self) -> PolicyDocument:
        """The policy of a key that was made without one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantRequest:
    """What a grant shall allow (KM3). At most one of the two constraints on the context. ``source_arn`` binds a grant
    to a service (``grantee_principal``) that calls for the resource of that ARN."""

    key_id: str
    grantee_principal: str
    operations: tuple[str, ...]
    retiring_principal: str | None = None
    name: str | None = None
    context_subset: Context | None = None
    context_equals: Context | None = None
    source_arn: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantDescription:
    """A grant as the service lists it. ``operations`` are ordered as given."""

    grant_id: str
    key_arn: str
    grantee_principal: str
    operations: tuple[str, ...]
    created_at: datetime
    issuing_account: str
    retiring_principal: str | None = None
    name: str | None = None
    context_subset: Context | None = None
    context_equals: Context | None = None
    source_arn: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CreatedGrant:
    """A grant's id, and the token that lets it count at once."""

    grant_id: str
    grant_token: str


@runtime_checkable
class IssuesGrants(Protocol):
    """Delegated use of a key (KM3)."""

    def create_grant(self, caller: Caller, request: GrantRequest) -> CreatedGrant:
        """A grant. A ``name`` makes it idempotent: same name and same request, same grant."""

    def list_grants(self, caller: Caller, key_id: str) -> list[GrantDescription]:
        """All grants of one key, ordered by id."""

    def revoke_grant(self, caller: Caller, key_id: str, grant_id: str) -> None:
        """End a grant; no error when it is gone."""

    def retire_grant(self, caller: Caller, key_id: str, grant_id: str) -> None:
        """End a grant as its retiring principal, or as a grantee that holds RetireGrant; no error when it is gone."""


@runtime_checkable
class OwnsKeys(Protocol):
    """The service-owned default key (KM8): no policy, no grant, no permission of anybody's."""

    def owned_key(self, caller: Caller, service: str) -> str:
        """ARN of the key that the service owns in this account and Region, made at first use. Only the service itself
        may use it: a caller that is not a service, nor acts through it, is AccessDeniedException."""


@runtime_checkable
class KnowsIdentities(Protocol):
    """What the account itself lets principals do, beside key policies and grants (KS4)."""

    def get_identity_policies(self, principal: str) -> Sequence[PolicyDocument]:
        """The documents of the identity policies that ``principal`` (an ARN) holds. Uses no key."""
