"""The root key: whether it may be used, the grant on it, and the encryption context that goes with it (RE4, RE5).

For a customer-managed key the warehouse asks on the caller's behalf for a description and a grant, and then works from
that grant as itself. The owned key needs neither (KM8). A partition of an HSM is asked whether it is fit (HS5).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from reconciler.access.caller import Caller
from reconciler.errors import (
    DisabledException,
    InvalidKeyUsageException,
    KMSInvalidStateException,
    MissingCapability,
    NotFoundException,
    ServiceError,
    ValidationException,
)
from reconciler.providers.data import Root, RootKind
from reconciler.providers.hsm import PartitionDescription
from reconciler.providers.keys import GrantRequest, IssuesGrants, KeyState, OwnsKeys
from reconciler_warehouse.grant_rows import is_needed
from reconciler_warehouse.names import SERVICE
from reconciler_warehouse.site import Site

OPERATIONS: Final = (
    *("DescribeKey", "GenerateDataKey", "Encrypt", "Decrypt", "ReEncryptFrom", "ReEncryptTo", "RetireGrant"),
)
ESCROW_OPERATIONS: Final = ("DescribeKey", "Encrypt", "Decrypt", "RetireGrant")


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopted:
    """A root that the warehouse may use for one cluster or copy grant. ``key_arn`` is that of the key, or of the HSM's
    partition. ``token`` lets a new grant count at once."""

    kind: RootKind
    key_arn: str
    context: Mapping[str, str]
    grant_id: str | None = None
    token: str | None = None


def adopt(
    site: Site,
    caller: Caller,
    root: Root,
    context: Mapping[str, str],
    *,
    subset: Mapping[str, str],
    grant_name: str,
    operations: tuple[str, ...] = OPERATIONS,
) -> Adopted:
    """Make sure of the root: the key is there and usable, and a grant stands whose constraint is ``subset``.

    Repeating it answers the same grant. NotFoundException, DisabledException, KMSInvalidStateException,
    InvalidKeyUsageException, AccessDeniedException, MissingCapability.
    """
    if root.kind is RootKind.OWNED:
        return Adopted(kind=root.kind, key_arn=owned_key(site), context=context)
    if root.kind is RootKind.HSM:
        return Adopted(kind=root.kind, key_arn=_partition_arn(root), context=context)  # it makes and proves its own key
    key_arn = usable_key(site, caller, root)
    keys = site.keys
    if not isinstance(keys, IssuesGrants):
        raise MissingCapability(
            f'The key service of Provider "{site.provider_name}" issues no grants, and a warehouse works from one',
            suggestion="Choose a key service that issues grants, or the owned key (`owned: true`).",
        )
    made = keys.create_grant(
        caller.via(SERVICE),
        GrantRequest(
            key_id=key_arn,
            grantee_principal=SERVICE,
            retiring_principal=SERVICE,
            operations=operations,
            name=grant_name,
            context_subset=dict(subset),
        ),
    )
    return Adopted(kind=root.kind, key_arn=key_arn, context=context, grant_id=made.grant_id, token=made.grant_token)


def usable_key(site: Site, caller: Caller, root: Root) -> str:
    """ARN of a customer-managed root that may be used now, described on the caller's behalf."""
    if root.kind is not RootKind.KMS or not root.key_arn:
        raise ValidationException("A customer-managed root needs the ARN of its key")
    asked = root.key_arn
    if asked.startswith("arn:") and asked.split(":")[3] != site.region:
        raise ValidationException(
            f"The key {asked} is not in Region {site.region}: keys are regional (KM7)",
            suggestion=f"Name a key of {site.region}.",
        )
    key = site.keys.describe_keys(caller.via(SERVICE), [asked]).get(asked)
    if key is None:
        raise NotFoundException(
            f"The key {asked} does not exist in Region {site.region}",
            suggestion="A customer-managed key must exist before the cluster that uses it (RE4).",
        )
    if key.state is KeyState.DISABLED:
        raise DisabledException(f"The key {key.arn} is disabled", suggestion="Enable it, or choose another key.")
    if key.state is not KeyState.ENABLED:
        raise KMSInvalidStateException(
            f"The key {key.arn} is in state {key.state}", suggestion="Choose a key that is Enabled."
        )
    if key.key_spec != "SYMMETRIC_DEFAULT" or key.key_usage != "ENCRYPT_DECRYPT":
        raise InvalidKeyUsageException(
            f"The key {key.arn} is {key.key_spec} for {key.key_usage}; a root is SYMMETRIC_DEFAULT for ENCRYPT_DECRYPT"
        )
    return key.arn


def usable_partition(site: Site, caller: Caller, root: Root) -> PartitionDescription:
    """The partition that is to be a root: it answers now, and passes the checks of its adoption (HS5). HsmUnavailable,
    IncompatibleHsm, ResourceNotFoundException."""
    arn = _partition_arn(root)
    return site.hsm.verify_partition(caller.via(SERVICE), arn)


def named(root: Root) -> str | None:
    """ARN of the key or partition that a root names; None for one that names none."""
    return root.partition if root.kind is RootKind.HSM else root.key_arn


def root_at(kind: RootKind, arn: str | None) -> Root:
    """The root of that kind, from what was kept of it."""
    if kind is RootKind.HSM:
        return Root(kind=kind, partition=arn)
    return Root(kind=kind, key_arn=arn if kind is RootKind.KMS else None)


def _partition_arn(root: Root) -> str:
    if not root.partition or not root.partition.startswith("arn:"):
        raise ValidationException("An HSM root needs the ARN of its partition")
    return root.partition


def owned_key(site: Site) -> str:
    """ARN of the key that the warehouse's service owns here (KM8)."""
    keys = site.keys
    if not isinstance(keys, OwnsKeys):
        raise MissingCapability(
            f'The key service of Provider "{site.provider_name}" has no service-owned key',
            suggestion="Name a customer-managed key instead.",
        )
    return keys.owned_key(site.service_caller, SERVICE)


def prove(site: Site, root: Adopted) -> None:
    """A canary goes through the root and comes back: wrap and unwrap work before anything rests on them (I2). A
    partition is checked as at its adoption, and proves each key that it makes by itself."""
    if root.kind is RootKind.HSM:
        site.hsm.verify_partition(site.service_caller, root.key_arn)
        return
    canary = site.random.bytes(32)
    caller = caller_of(site, root)
    wrapped = site.keys.encrypt(caller, root.key_arn, canary, root.context)
    with site.keys.decrypt(caller, wrapped, root.context, key_id=root.key_arn).plaintext as back:
        if bytes(back.expose_key_bytes()) != canary:
            raise KMSInvalidStateException(f"The key {root.key_arn} does not open what it sealed; nothing was changed")


def caller_of(site: Site, root: Adopted) -> Caller:
    """The service, with the token that lets a new grant count at once."""
    service = site.service_caller
    if root.token is None:
        return service
    return Caller(principal=service.principal, account=service.account, grant_tokens=(root.token,))


def retire_released(site: Site) -> None:
    """Retire the grants that nothing needs any more. One that cannot be retired now stays noted for the next time."""
    for grant_id, key_arn in _noted(site):
        keys = site.keys
        try:
            if isinstance(keys, IssuesGrants):
                keys.retire_grant(site.service_caller, key_arn, grant_id)
        except NotFoundException:
            pass  # the key itself is gone, and its grants with it
        except ServiceError:
            continue
        with site.keyring.write() as ring:
            ring.execute("DELETE FROM retiring WHERE grant_id = ?", (grant_id,))


def _noted(site: Site) -> list[tuple[str, str]]:
    with site.keyring.read() as ring:
        if ring is None or not (noted := ring.execute("SELECT grant_id, key_arn FROM retiring").fetchall()):
            return []
        needed = {grant_id for grant_id, _ in noted if is_needed(ring, grant_id)}
    if needed:
        with site.keyring.write() as ring:
            for grant_id in needed:
                ring.execute("DELETE FROM retiring WHERE grant_id = ?", (grant_id,))
    return [(grant_id, key_arn) for grant_id, key_arn in noted if grant_id not in needed]
