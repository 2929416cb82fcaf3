"""CreateGrant, ListGrants, ListRetirableGrants, RevokeGrant, RetireGrant (KM3)."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from operator import itemgetter
from typing import Any, Final

from reconciler.access.caller import Caller
from reconciler.access.grants import may_retire
from reconciler.access.request import GrantTerms
from reconciler.errors import (
    AccessDeniedException,
    InvalidArnException,
    InvalidGrantIdException,
    LimitExceededException,
    NotFoundException,
    ValidationException,
)
from reconciler.host.sqlite import translated
from reconciler.model.article import a
from reconciler.providers.keys import CreatedGrant, GrantDescription, GrantRequest
from reconciler_softkms import grant_rows, grant_tokens
from reconciler_softkms.door import Door
from reconciler_softkms.pages import Page, PageOf, page
from reconciler_softkms.request import Request
from reconciler_softkms.rows import KeyRow
from reconciler_softkms.schema import WHAT
from reconciler_softkms.specs import GRANT_OPERATIONS, SYMMETRIC, grantable
from reconciler_softkms.states import require_usable

MOST_OF_A_KEY: Final = 50_000
MOST_PAIRS: Final = 8
USUAL: Final = 50
VALUE_CHARACTERS: Final = 384
_PRINCIPAL = re.compile(r"[\w+=,.@:/-]{1,256}", re.ASCII)
_PRINCIPAL_ARN = re.compile(
    r"arn:aws[a-z-]*:(iam::\d{12}:(root|(user|role)/[\w+=,.@/-]+)"
    r"|sts::\d{12}:(assumed-role/[\w+=,.@-]+/[\w+=,.@-]+|federated-user/[\w+=,.@-]+))",
    re.ASCII,
)
_SERVICE = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*\.amazonaws\.com(\.cn)?")
_ID = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[a-zA-Z0-9:/_-]{1,256}")


def create_grant(door: Door, caller: Caller, request: GrantRequest) -> CreatedGrant:
    """See ``IssuesGrants.create_grant``. The key may be another account's, by its ARN (KM7)."""
    door = door.siblings.holding(door, request.key_id)
    door.store.seal()
    with door.change(caller, "CreateGrant", _parameters(request)) as asked:
        row = asked.key(request.key_id)
        context = request.context_subset if request.context_equals is None else request.context_equals
        asked.authorize(row, "kms:CreateGrant", grant=_terms(request), context=context)
        require_usable(row, door.names.key_arn(row.key_id))
        _check(request, row)
        digest = _digest(request) if request.name is not None else None
        found = asked.connection.execute(
            "SELECT grant_id FROM grants WHERE key_id = ? AND request = ?", (row.key_id, digest)
        ).fetchone()
        grant_id = found[0] if found else door.random.bytes(32).hex()
        if not found:
            _insert(asked, row, request, grant_id, digest)
        asked.response = {"grantId": grant_id}
    token = grant_tokens.issue(door.store, door.random, door.names.account, grant_id)
    return CreatedGrant(grant_id=grant_id, grant_token=token)


def list_grants(door: Door, caller: Caller, key_id: str) -> list[GrantDescription]:
    """See ``IssuesGrants.list_grants``."""
    door = door.siblings.holding(door, key_id)
    with door.look(caller, "ListGrants", {"keyId": key_id}) as asked:
        row = asked.key(key_id)
        asked.authorize(row, "kms:ListGrants")
        return [grant_rows.describe(found, door.names) for found in grant_rows.of_key(asked.connection, row.key_id)]


def page_of_grants(
    door: Door, caller: Caller, key_id: str, which: PageOf, *, grant_id: str | None = None, grantee: str | None = None
) -> Page[GrantDescription]:
    """The grants of a key, or those of one id or one grantee, a page at a time. InvalidGrantIdException."""
    door = door.siblings.holding(door, key_id)
    shown = {"keyId": key_id, "grantId": grant_id, "granteePrincipal": grantee}
    with door.look(caller, "ListGrants", {name: value for name, value in shown.items() if value is not None}) as asked:
        row = asked.key(key_id)
        asked.authorize(row, "kms:ListGrants")
        if grant_id is not None:
            _check_id(grant_id)
            found = grant_rows.one(asked.connection, row.key_id, grant_id)
            is_meant = found is not None and grantee in (None, found[2])
            return Page([grant_rows.describe(found, door.names)] if found is not None and is_meant else [], None)

        def of(place: str, count: int) -> list[tuple[str, GrantDescription]]:
            entries = grant_rows.page_of_key(asked.connection, row.key_id, place, count, grantee)
            return [(place, grant_rows.describe(entry, door.names)) for place, entry in entries]

        return page(asked, which, USUAL, f"{row.key_id} {grantee}", of)


def list_retirable_grants(door: Door, caller: Caller, retiring: str, which: PageOf) -> Page[GrantDescription]:
    """The grants that this principal may retire, a page at a time: on all keys of the Region, other accounts' too."""
    with door.look(caller, "ListRetirableGrants", {"retiringPrincipal": retiring}) as asked:
        asked.authorize_account("kms:ListRetirableGrants")
        _check_principal("retiring", retiring)
        doors = [door, *door.siblings.of_other_accounts(door)]

        def of(place: str, count: int) -> list[tuple[str, GrantDescription]]:
            found = [entry for one in doors for entry in _retirable(one, retiring, place, count)]
            return sorted(found, key=itemgetter(0))[:count]

        return page(asked, which, USUAL, retiring, of)


def _retirable(door: Door, retiring: str, place: str, count: int) -> list[tuple[str, GrantDescription]]:
    with door.store.lock, translated(door.store.path, WHAT):
        connection = door.store.reading()
        entries = [] if connection is None else grant_rows.page_of_retiring(connection, retiring, place, count)
    return [(place, grant_rows.describe(entry, door.names)) for place, entry in entries]


def revoke_grant(door: Door, caller: Caller, key_id: str, grant_id: str, *, must_exist: bool = False) -> None:
    """See ``IssuesGrants.revoke_grant``. ``must_exist``: NotFoundException when it does not,
    InvalidGrantIdException for what is no grant's id."""
    door = door.siblings.holding(door, key_id)
    with door.change(caller, "RevokeGrant", {"keyId": key_id, "grantId": grant_id}) as asked:
        row = asked.key(key_id)
        asked.authorize(row, "kms:RevokeGrant")
        if must_exist:
            _found(grant_id, grant_rows.one(asked.connection, row.key_id, _check_id(grant_id)))
        asked.connection.execute("DELETE FROM grants WHERE grant_id = ? AND key_id = ?", (grant_id, row.key_id))


def retire_grant(door: Door, caller: Caller, key_id: str, grant_id: str, *, must_exist: bool = False) -> None:
    """See ``IssuesGrants.retire_grant``. ``must_exist`` as of ``revoke_grant``."""
    door = door.siblings.holding(door, key_id)
    with door.change(caller, "RetireGrant", {"keyId": key_id, "grantId": grant_id}) as asked:
        row = asked.key(key_id)
        if must_exist:
            _check_id(grant_id)
        found = grant_rows.one(asked.connection, row.key_id, grant_id)
        if found is not None:
            _retire(asked, row, found)
        elif must_exist:
            _found(grant_id, found)


def retire_grant_by_token(door: Door, caller: Caller, token: str) -> None:
    """End the grant that the token is of, on a key of whatever account (KM7). InvalidGrantTokenException;
    NotFoundException when it is gone."""
    door = door.siblings.of_account(door, grant_tokens.account_of(token) or door.names.account)
    door.store.seal()
    with door.change(caller, "RetireGrant", {}) as asked:
        grant_id = grant_tokens.grant_id(door.store, token)
        found = _found(grant_id, grant_rows.by_id(asked.connection, grant_id))
        asked.parameters = {"keyId": door.names.key_arn(found[1]), "grantId": grant_id}
        _retire(asked, asked.key(found[1]), found)


def _retire(asked: Request, row: KeyRow, found: grant_rows.Row) -> None:
    """Who may retire is written in the grant (KM3); else its account may, and whom the account's own policies let. No
    policy keeps a service from giving back what it worked from: a key moved away from could never be let go."""
    caller, grant_id, names = asked.caller, found[0], asked.names
    if not may_retire(grant_rows.terms(found), caller, names.account_root) and not _account_lets(asked):
        raise AccessDeniedException(
            f"User: {caller.principal} is not authorized to perform: kms:RetireGrant on grant {grant_id}: only its"
            " retiring principal, a grantee that holds RetireGrant, and the account may retire it",
            suggestion="Revoke the grant instead (kms:RevokeGrant), or call as its retiring principal.",
        )
    asked.connection.execute("DELETE FROM grants WHERE grant_id = ? AND key_id = ?", (grant_id, row.key_id))


def _account_lets(asked: Request) -> bool:
    try:
        asked.authorize_account("kms:RetireGrant")
    except AccessDeniedException:
        return False
    return asked.caller.account == asked.names.account


def _insert(asked: Request, row: KeyRow, request: GrantRequest, grant_id: str, digest: str | None) -> None:
    (count,) = asked.connection.execute("SELECT count(*) FROM grants WHERE key_id = ?", (row.key_id,)).fetchone()
    if count >= MOST_OF_A_KEY:
        raise LimitExceededException(f"A key takes at most {MOST_OF_A_KEY} grants")
    asked.connection.execute(
        "INSERT INTO grants VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
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
            request.source_arn,
        ),
    )


def _terms(request: GrantRequest) -> GrantTerms:
    return GrantTerms(
        grantee_principal=request.grantee_principal,
        operations=tuple(request.operations),
        retiring_principal=request.retiring_principal,
        context_subset=request.context_subset,
        context_equals=request.context_equals,
        source_arn=request.source_arn,
    )


def _check_id(grant_id: str) -> str:
    if not _ID.fullmatch(grant_id):
        raise InvalidGrantIdException(f'"{grant_id}" is not the id of a grant')
    return grant_id


def _found(grant_id: str, row: grant_rows.Row | None) -> grant_rows.Row:
    if row is None:
        raise NotFoundException(f"Grant ID {grant_id} not found", suggestion="It may be revoked or retired already.")
    return row


def _check_principal(what: str, principal: str) -> None:
    if not _PRINCIPAL.fullmatch(principal):
        raise ValidationException(f'"{principal}" cannot be a {what} principal: name an ARN or a service')
    if not _PRINCIPAL_ARN.fullmatch(principal) and not _SERVICE.fullmatch(principal):
        raise InvalidArnException(
            f'"{principal}" cannot be a {what} principal: it is neither the ARN of one nor a service'
        )


def _check(request: GrantRequest, row: KeyRow) -> None:
    for what, principal in (("grantee", request.grantee_principal), ("retiring", request.retiring_principal)):
        if principal is not None:
            _check_principal(what, principal)
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
                f"A grant on {a(f'{row.key_spec} key')} for {row.key_usage} cannot hold {operation}; it can hold"
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
    if request.source_arn is not None:
        shown["constraints"] = {**shown.get("constraints", {}), "sourceArn": request.source_arn}
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
        request.source_arn,
    ]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _text(pairs: Mapping[str, str] | None) -> str | None:
    return None if pairs is None else grant_rows.pairs_text(pairs)


def _listed(names: frozenset[str]) -> str:
    return ", ".join(sorted(names))
