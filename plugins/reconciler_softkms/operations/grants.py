"""CreateGrant, ListGrants, RevokeGrant, RetireGrant (KM3)."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any, Final

from reconciler.access.caller import Caller
from reconciler.access.grants import may_retire
from reconciler.access.request import GrantTerms
from reconciler.errors import AccessDeniedException, LimitExceededException, ValidationException
from reconciler.providers.keys import CreatedGrant, GrantDescription, GrantRequest
from reconciler_softkms import grant_rows, grant_tokens
from reconciler_softkms.door import Door
from reconciler_softkms.rows import KeyRow
from reconciler_softkms.specs import GRANT_OPERATIONS, SYMMETRIC, grantable
from reconciler_softkms.states import require_usable

MOST_OF_A_KEY: Final = 50_000
MOST_PAIRS: Final = 8
VALUE_CHARACTERS: Final = 384
_PRINCIPAL = re.compile(r"[\w+=,.@:/-]{1,256}", re.ASCII)
_NAME = re.compile(r"[a-zA-Z0-9:/_-]{1,256}")


def create_grant(door: Door, caller: Caller, request: GrantRequest) -> CreatedGrant:
    """See ``IssuesGrants.create_grant``."""
    door.store.seal()
    with door.change(caller, "CreateGrant", _parameters(request)) as asked:
        row = asked.key(request.key_id)
        terms = GrantTerms(
            grantee_principal=request.grantee_principal,
            operations=tuple(request.operations),
            retiring_principal=request.retiring_principal,
            context_subset=request.context_subset,
            context_equals=request.context_equals,
        )
        context = request.context_subset if request.context_equals is None else request.context_equals
        asked.authorize(row, "kms:CreateGrant", grant=terms, context=context)
        require_usable(row, door.names.key_arn(row.key_id))
        _check(request, row)
        digest = _digest(request) if request.name is not None else None
        found = asked.connection.execute(
            "SELECT grant_id FROM grants WHERE key_id = ? AND request = ?", (row.key_id, digest)
        ).fetchone()
        grant_id = found[0] if found else door.random.bytes(32).hex()
        if not found:
            (count,) = asked.connection.execute(
                "SELECT count(*) FROM grants WHERE key_id = ?", (row.key_id,)
            ).fetchone()
            if count >= MOST_OF_A_KEY:
                raise LimitExceededException(f"A key takes at most {MOST_OF_A_KEY} grants")
            asked.connection.execute(
                "INSERT INTO grants VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    grant_id,
                    row.key_id,
                    request.grantee_principal,
                    request.retiring_principal,
                    " ".join(request.operations),
                    request.name,
                    _text(request.context_subset),
                    _text(request.context_equals),
                    asked.now,
                    digest,
                ),
            )
        asked.response = {"grantId": grant_id}
    return CreatedGrant(grant_id=grant_id, grant_token=grant_tokens.issue(door.store, door.random, grant_id))


def list_grants(door: Door, caller: Caller, key_id: str) -> list[GrantDescription]:
    """See ``IssuesGrants.list_grants``."""
    with door.look(caller, "ListGrants", {"keyId": key_id}) as asked:
        row = asked.key(key_id)
        asked.authorize(row, "kms:ListGrants")
        return [grant_rows.describe(found, door.names) for found in grant_rows.of_key(asked.connection, row.key_id)]


def revoke_grant(door: Door, caller: Caller, key_id: str, grant_id: str) -> None:
    """See ``IssuesGrants.revoke_grant``."""
    with door.change(caller, "RevokeGrant", {"keyId": key_id, "grantId": grant_id}) as asked:
        row = asked.key(key_id)
        asked.authorize(row, "kms:RevokeGrant")
        asked.connection.execute("DELETE FROM grants WHERE grant_id = ? AND key_id = ?", (grant_id, row.key_id))


def retire_grant(door: Door, caller: Caller, key_id: str, grant_id: str) -> None:
    """See ``IssuesGrants.retire_grant``."""
    with door.change(caller, "RetireGrant", {"keyId": key_id, "grantId": grant_id}) as asked:
        row = asked.key(key_id)
        found = grant_rows.one(asked.connection, row.key_id, grant_id)
        if found is None:
            return
        if not may_retire(grant_rows.terms(found), caller, door.names.account_root):
            raise AccessDeniedException(
                f"User: {caller.principal} is not authorized to perform: kms:RetireGrant on grant {grant_id}: only its"
                " retiring principal, a grantee that holds RetireGrant, and the account may retire it",
                suggestion="Revoke the grant instead (kms:RevokeGrant), or call as its retiring principal.",
            )
        asked.connection.execute("DELETE FROM grants WHERE grant_id = ? AND key_id = ?", (grant_id, row.key_id))


def _check(request: GrantRequest, row: KeyRow) -> None:
    for what, principal in (("grantee", request.grantee_principal), ("retiring", request.retiring_principal)):
        if principal is not None and not _PRINCIPAL.fullmatch(principal):
            raise ValidationException(f'"{principal}" cannot be a {what} principal: name an ARN or a service')
    if request.name is not None and not _NAME.fullmatch(request.name):
        raise ValidationException(f'"{request.name}" cannot name a grant: letters, digits and :/_- only, up to 256')
    if not request.operations:
        raise ValidationException("A grant needs at least one operation")
    possible = grantable(row.key_spec, row.key_usage)
    for operation in request.operations:
        if operation not in GRANT_OPERATIONS:
            raise ValidationException(f'"{operation}" is no operation of a grant; try one of {_listed(possible)}')
        if operation not in possible:
            raise ValidationException(
                f"A grant on a {row.key_spec} key for {row.key_usage} cannot hold {operation}; it can hold"
                f" {_listed(possible)}"
            )
    _check_constraints(request, row)


def _check_constraints(request: GrantRequest, row: KeyRow) -> None:
    given = [pairs for pairs in (request.context_subset, request.context_equals) if pairs is not None]
    if len(given) > 1:
        raise ValidationException("A grant takes one constraint: EncryptionContextSubset or EncryptionContextEquals")
    for pairs in given:
        if row.key_spec != SYMMETRIC:
            raise ValidationException("An encryption context constrains grants on symmetric keys only")
        if not 1 <= len(pairs) <= MOST_PAIRS:
            raise ValidationException(f"A constraint holds 1 to {MOST_PAIRS} pairs; this one holds {len(pairs)}")
        for name, value in pairs.items():
            if len(value) > VALUE_CHARACTERS:
                raise ValidationException(
                    f'The value of "{name}" in a constraint has at most {VALUE_CHARACTERS} characters, not {len(value)}'
                )


def _parameters(request: GrantRequest) -> dict[str, Any]:
    """In the order of the public records (reference/samples)."""
    shown: dict[str, Any] = {"keyId": request.key_id, "operations": list(request.operations)}
    if request.context_subset is not None:
        shown["constraints"] = {"encryptionContextSubset": dict(request.context_subset)}
    if request.context_equals is not None:
        shown["constraints"] = {"encryptionContextEquals": dict(request.context_equals)}
    if request.retiring_principal is not None:
        shown["retiringPrincipal"] = request.retiring_principal
    shown["granteePrincipal"] = request.grantee_principal
    if request.name is not None:
        shown["name"] = request.name
    return shown


def _digest(request: GrantRequest) -> str:
    """Same name and same request, same grant; whatever differs makes another."""
    facts = [
        request.name,
        request.grantee_principal,
        request.retiring_principal,
        sorted(request.operations),
        _text(request.context_subset),
        _text(request.context_equals),
    ]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _text(pairs: Mapping[str, str] | None) -> str | None:
    return None if pairs is None else grant_rows.pairs_text(pairs)


def _listed(names: frozenset[str]) -> str:
    return ", ".join(sorted(names))
