"""CreateGrant, ListGrants, ListRetirableGrants, RetireGrant, RevokeGrant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StringConstraints

from reconciler.access.caller import Caller
from reconciler.errors import ValidationException
from reconciler.providers.keys import GrantDescription, GrantRequest
from reconciler_softkms.door import Door
from reconciler_softkms.operations import grants
from reconciler_softkms.pages import PageOf
from reconciler_softkms.wire.operation import Operation
from reconciler_softkms.wire.request import Asked, Context, KeyName, Limit, Marker, Used, as_tuple

Principal = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=r"^[\w+=,.@:/-]+$")]
ServicePrincipal = Annotated[
    str,
    StringConstraints(min_length=1, max_length=128, pattern=r"^([A-Za-z0-9\-]+)\.([A-Za-z0-9\-]+)(\.[A-Za-z0-9\-]+)+$"),
]
SourceArn = Annotated[
    str,
    StringConstraints(min_length=20, max_length=512, pattern=r"^arn:aws[a-z0-9-]*:[a-z0-9-]+:[a-z0-9-]*:[0-9]{12}:.+$"),
]
GrantName = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=r"^[a-zA-Z0-9:/_-]+$")]
GrantId = Annotated[str, StringConstraints(min_length=1, max_length=128)]
GrantToken = Annotated[str, StringConstraints(min_length=1, max_length=8192)]
GrantOperation = Literal[
    "Decrypt",
    "Encrypt",
    "GenerateDataKey",
    "GenerateDataKeyWithoutPlaintext",
    "ReEncryptFrom",
    "ReEncryptTo",
    "Sign",
    "Verify",
    "GetPublicKey",
    "CreateGrant",
    "RetireGrant",
    "DescribeKey",
    "GenerateDataKeyPair",
    "GenerateDataKeyPairWithoutPlaintext",
    "GenerateMac",
    "VerifyMac",
    "DeriveSharedSecret",
    "Encapsulate",
    "Decapsulate",
]


class Constraints(Asked):
    """Its form, within ``CreateGrant``."""

    encryption_context_subset: Context | None = None
    encryption_context_equals: Context | None = None
    source_arn: SourceArn | None = None


class CreateGrant(Used):
    """Its form."""

    key_id: KeyName
    operations: Annotated[tuple[GrantOperation, ...], BeforeValidator(as_tuple)]
    grantee_principal: Principal | None = None
    grantee_service_principal: ServicePrincipal | None = None
    retiring_principal: Principal | None = None
    retiring_service_principal: ServicePrincipal | None = None
    constraints: Constraints = Field(default_factory=Constraints)
    name: GrantName | None = None


class ListGrants(Asked):
    """Its form."""

    key_id: KeyName
    grant_id: GrantId | None = None
    grantee_principal: Principal | None = None
    grantee_service_principal: ServicePrincipal | None = None
    limit: Limit | None = None
    marker: Marker | None = None


class ListRetirableGrants(Asked):
    """Its form."""

    retiring_principal: Principal | None = None
    retiring_service_principal: ServicePrincipal | None = None
    limit: Limit | None = None
    marker: Marker | None = None


class RetireGrant(Used):
    """Its form."""

    grant_token: GrantToken | None = None
    key_id: KeyName | None = None
    grant_id: GrantId | None = None


class RevokeGrant(Used):
    """Its form."""

    key_id: KeyName
    grant_id: GrantId


def create_grant(door: Door, caller: Caller, asked: CreateGrant) -> Mapping[str, Any]:
    """The grant's id, and a token of it."""
    constraints = asked.constraints
    grantee = _one_of(asked.grantee_principal, asked.grantee_service_principal, "GranteePrincipal")
    retiring = _at_most_one(asked.retiring_principal, asked.retiring_service_principal, "RetiringPrincipal")
    if asked.grantee_service_principal is not None and (constraints.source_arn is None or retiring is None):
        raise ValidationException(
            "A grant with GranteeServicePrincipal needs Constraints.SourceArn and a retiring principal"
        )
    if asked.grantee_service_principal is None and constraints.source_arn is not None:
        raise ValidationException("Constraints.SourceArn needs GranteeServicePrincipal")
    request = GrantRequest(
        key_id=asked.key_id,
        grantee_principal=grantee,
        operations=tuple(dict.fromkeys(asked.operations)),
        retiring_principal=retiring,
        name=asked.name,
        context_subset=constraints.encryption_context_subset,
        context_equals=constraints.encryption_context_equals,
        source_arn=constraints.source_arn,
    )
    made = grants.create_grant(door, caller, request)
    return {"GrantToken": made.grant_token, "GrantId": made.grant_id}


def list_grants(door: Door, caller: Caller, asked: ListGrants) -> Mapping[str, Any]:
    """A page of the key's grants."""
    grantee = _at_most_one(asked.grantee_principal, asked.grantee_service_principal, "GranteePrincipal")
    which = PageOf(asked.limit, asked.marker)
    found = grants.page_of_grants(door, caller, asked.key_id, which, grant_id=asked.grant_id, grantee=grantee)
    return found.answer("Grants", entry)


def list_retirable_grants(door: Door, caller: Caller, asked: ListRetirableGrants) -> Mapping[str, Any]:
    """A page of the grants that the principal may retire."""
    retiring = _one_of(asked.retiring_principal, asked.retiring_service_principal, "RetiringPrincipal")
    found = grants.list_retirable_grants(door, caller, retiring, PageOf(asked.limit, asked.marker))
    return found.answer("Grants", entry)


def retire_grant(door: Door, caller: Caller, asked: RetireGrant) -> Mapping[str, Any]:
    """Nothing."""
    if asked.grant_token is not None and asked.key_id is None and asked.grant_id is None:
        grants.retire_grant_by_token(door, caller, asked.grant_token)
    elif asked.grant_token is None and asked.key_id is not None and asked.grant_id is not None:
        grants.retire_grant(door, caller, asked.key_id, asked.grant_id, must_exist=True)
    else:
        raise ValidationException("You must specify either a GrantToken, or a KeyId together with a GrantId")
    return {}


def revoke_grant(door: Door, caller: Caller, asked: RevokeGrant) -> Mapping[str, Any]:
    """Nothing."""
    grants.revoke_grant(door, caller, asked.key_id, asked.grant_id, must_exist=True)
    return {}


def entry(grant: GrantDescription) -> dict[str, Any]:
    """``GrantListEntry`` of the public API."""
    is_bound = grant.source_arn is not None  # then its principals were given as services
    constraints = {
        "EncryptionContextSubset": grant.context_subset,
        "EncryptionContextEquals": grant.context_equals,
        "SourceArn": grant.source_arn,
    }
    is_constrained = any(value is not None for value in constraints.values())
    retiring = grant.retiring_principal
    retires_as_service = is_bound and retiring is not None and not retiring.startswith("arn:")
    return {
        "KeyId": grant.key_arn,
        "GrantId": grant.grant_id,
        "Name": grant.name,
        "CreationDate": grant.created_at,
        "GranteePrincipal": None if is_bound else grant.grantee_principal,
        "GranteeServicePrincipal": grant.grantee_principal if is_bound else None,
        "RetiringPrincipal": None if retires_as_service else retiring,
        "RetiringServicePrincipal": retiring if retires_as_service else None,
        "IssuingAccount": grant.issuing_account,
        "Operations": list(grant.operations),
        "Constraints": constraints if is_constrained else None,
    }


def _at_most_one(principal: str | None, service: str | None, what: str) -> str | None:
    if principal is not None and service is not None:
        raise ValidationException(f"Specify {what}, or {what.replace('Principal', 'ServicePrincipal')}, and not both")
    return service if principal is None else principal


def _one_of(principal: str | None, service: str | None, what: str) -> str:
    found = _at_most_one(principal, service, what)
    if found is None:
        place = what[0].lower() + what[1:]
        raise ValidationException(
            f"1 validation error detected: Value at '{place}' failed to satisfy constraint: Member must not be null"
        )
    return found


OPERATIONS = {
    "CreateGrant": Operation(CreateGrant, create_grant),
    "ListGrants": Operation(ListGrants, list_grants),
    "ListRetirableGrants": Operation(ListRetirableGrants, list_retirable_grants),
    "RetireGrant": Operation(RetireGrant, retire_grant),
    "RevokeGrant": Operation(RevokeGrant, revoke_grant),
}
