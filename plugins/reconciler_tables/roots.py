"""The KMS key at the top: whether a table may have it, the table's grant on it, refusals with their cause (KS3–KS7).

A customer-managed key is described and granted on the caller's behalf; everything after that the service does itself,
from the grant (KS5). The owned key needs neither (KS2, KM8).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Final

from reconciler.access.caller import Caller
from reconciler.errors import (
    AccessDeniedException,
    ConflictException,
    DisabledException,
    InvalidGrantIdException,
    InvalidRequestException,
    KMSInvalidStateException,
    MissingCapability,
    NotFoundException,
    ServiceError,
    ThrottlingException,
)
from reconciler.providers.keys import GrantRequest, IssuesGrants, KeyDescription, KeyState, OwnsKeys
from reconciler_tables import keyring
from reconciler_tables.keyring import Wrap
from reconciler_tables.names import TableName, parse_key_arn
from reconciler_tables.site import Site

OPERATIONS: Final = (
    *("DescribeKey", "GenerateDataKey", "Decrypt", "Encrypt", "ReEncryptFrom", "ReEncryptTo", "RetireGrant"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Root:
    """The KMS key that a table shall have."""

    key_arn: str
    owned: bool


def choose(site: Site, caller: Caller, name: TableName, key_arn: str | None) -> Root:
    """The root for ``name``: the customer-managed key, which must be usable by ``caller``, or for None the owned key.

    Changes nothing. InvalidRequestException with the cause (KS3, KS7); MissingCapability.
    """
    if key_arn is not None:
        _check_usable(site, caller, name, key_arn)
        _issuing(site)
        return Root(key_arn=key_arn, owned=False)
    keys = site.keys
    if not isinstance(keys, OwnsKeys):
        raise MissingCapability(
            f'The key service of Provider "{site.provider_name}" has no service-owned key for tables',
            suggestion="Give the table a customer-managed key (encryption.type: CUSTOMER_MANAGED_KMS_KEY).",
        )
    return Root(key_arn=keys.owned_key(site.itself(), site.service), owned=True)


def obtain_grant(site: Site, caller: Caller, wrap: Wrap) -> tuple[Wrap, str | None]:
    """The staged wrap with its grant, and the token that lets a new grant count at once (KS5). Repeating it answers the
    same grant. InvalidRequestException with the cause."""
    if wrap.owned or wrap.grant_id is not None:
        return wrap, None
    # Durable before the call: after a crash in between, somebody must know that there may be a grant to retire.
    wrap = note(site, replace(wrap, grant_asked=True))
    try:
        with refusing(wrap.name, wrap.key_arn, caller.principal, "kms:CreateGrant", site.service):
            made = _issuing(site).create_grant(site.on_behalf_of(caller), _request(site, wrap))
    except ThrottlingException:
        raise
    except ServiceError:
        note(site, replace(wrap, grant_asked=False))  # refused, so there is none
        raise
    return note(site, replace(wrap, grant_id=made.grant_id)), made.grant_token


def restore_grant(site: Site, caller: Caller, wrap: Wrap) -> None:
    """Make sure that the live wrap's grant stands: one that was revoked is made again, since a principal asks for that
    key by name. InvalidRequestException with the cause."""
    if wrap.owned:
        return
    with refusing(wrap.name, wrap.key_arn, caller.principal, "kms:CreateGrant", site.service):
        made = _issuing(site).create_grant(site.on_behalf_of(caller), _request(site, wrap))
    if made.grant_id != wrap.grant_id:
        note(site, replace(wrap, grant_asked=True, grant_id=made.grant_id))


def retire_grant(site: Site, caller: Caller, wrap: Wrap) -> None:
    """Retire the wrap's grant, if it may have one; no error when it is gone (KS5)."""
    if wrap.owned or not wrap.grant_asked:
        return
    keys = _issuing(site)
    grant_id = wrap.grant_id
    if grant_id is None:
        try:
            # A crash fell between asking and noting. Asking again under the same name answers the same grant.
            grant_id = keys.create_grant(site.on_behalf_of(caller), _request(site, wrap)).grant_id
        except ThrottlingException:
            raise
        except ServiceError:
            return  # nobody can name it any more; it allows only this service, and only for this table's context
    with suppress(NotFoundException, InvalidGrantIdException):  # the key is gone, and its grants with it
        keys.retire_grant(site.itself(), wrap.key_arn, grant_id)


def note(site: Site, wrap: Wrap) -> Wrap:
    """Store how far the wrap is. ConflictException when another request took it away meanwhile."""
    with site.keyring.write() as ring:
        if not keyring.note_progress(ring, wrap):
            raise ConflictException(
                f"Table {wrap.name} was changed by another request meanwhile", suggestion="Repeat the request."
            )
    return wrap


@contextmanager
def refusing(name: TableName, key_arn: str, principal: str, action: str, service: str) -> Iterator[None]:
    """The key service's refusals as InvalidRequestException that says which key, who, which action and why (KS3)."""
    try:
        yield
    except AccessDeniedException as error:
        raise _refusal(
            name,
            key_arn,
            f"{principal} may not {action} with it",
            f"Allow {action} for {principal} through {service} (kms:ViaService) in the key's policy.",
            error,
        ) from error
    except DisabledException as error:
        raise _refusal(name, key_arn, "it is disabled", "Enable it, or choose another key.", error) from error
    except NotFoundException as error:
        raise _refusal(name, key_arn, "it does not exist", "Name a key that exists.", error) from error
    except KMSInvalidStateException as error:
        raise _refusal(name, key_arn, "its state does not admit it", "Choose a key that is Enabled.", error) from error


def _refusal(
    name: TableName, key_arn: str, cause: str, suggestion: str, error: ServiceError | None = None
) -> InvalidRequestException:
    return InvalidRequestException(
        f"Table {name} cannot use the key {key_arn}: {cause}",
        detail=None if error is None else error.summary,
        suggestion=suggestion,
    )


def _check_usable(site: Site, caller: Caller, name: TableName, key_arn: str) -> None:
    """KS7: symmetric, enabled, here, and the caller may describe it."""
    parsed = parse_key_arn(key_arn)
    if parsed is None:
        raise _refusal(name, key_arn, "it is not the ARN of a key", "Name the key by its ARN (arn:aws:kms:…:key/…).")
    if parsed.region != site.region:
        raise _refusal(
            name, key_arn, f"it is in Region {parsed.region}, the table in {site.region}", "Keys are regional."
        )
    if parsed.account != site.account:
        raise _refusal(
            name,
            key_arn,
            f"it belongs to account {parsed.account}, the table to {site.account}",
            "Name a key of the table's account.",
        )
    with refusing(name, key_arn, caller.principal, "kms:DescribeKey", site.service):
        key = site.keys.describe_keys(site.on_behalf_of(caller), [key_arn]).get(key_arn)
    if key is None:
        raise _refusal(
            name, key_arn, "it does not exist", f"Name a key that exists in {site.region}, or make it first."
        )
    _check_state(name, key)


def _check_state(name: TableName, key: KeyDescription) -> None:
    if key.key_spec != "SYMMETRIC_DEFAULT" or key.key_usage != "ENCRYPT_DECRYPT":
        raise _refusal(
            name,
            key.arn,
            f"it is {key.key_spec} for {key.key_usage}, and a table needs SYMMETRIC_DEFAULT for ENCRYPT_DECRYPT",
            "Choose a symmetric encryption key.",
        )
    if key.state is KeyState.DISABLED:
        raise _refusal(name, key.arn, "it is disabled", "Enable it, or choose another key.")
    if key.state is KeyState.PENDING_DELETION:
        raise _refusal(name, key.arn, "it is pending deletion", "Cancel its deletion, or choose another key.")
    if key.state is not KeyState.ENABLED:
        raise _refusal(name, key.arn, f"its state is {key.state}", "Choose a key that is Enabled.")


def _issuing(site: Site) -> IssuesGrants:
    keys = site.keys
    if not isinstance(keys, IssuesGrants):
        raise MissingCapability(
            f'The key service of Provider "{site.provider_name}" issues no grants, and a table works from one',
            suggestion="Choose a key service that issues grants, or the owned key (AWS_OWNED_KMS_KEY).",
        )
    return keys


def _request(site: Site, wrap: Wrap) -> GrantRequest:
    return GrantRequest(
        key_id=wrap.key_arn,
        grantee_principal=site.service,
        retiring_principal=site.service,
        operations=OPERATIONS,
        name=wrap.grant_name,
        context_subset=dict(wrap.context),
    )
