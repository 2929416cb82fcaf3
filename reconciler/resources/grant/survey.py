"""Grants that are there and should not be, or should be and are not: on managed keys, and of what services made."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from reconciler.access.caller import Caller
from reconciler.access.grants import UNCONSTRAINED, Grant, passes_on
from reconciler.access.principals import account_of
from reconciler.access.request import AccessRequest, GrantTerms
from reconciler.model.plan import Finding
from reconciler.model.recorded import Recorded
from reconciler.providers.inspection import HeldGrant
from reconciler.providers.keys import GrantDescription
from reconciler.resources.estate import Estate
from reconciler.resources.grant.existing import is_of_a_service
from reconciler.resources.grant.observe import GrantObservation

# Who is told when several objects rest on one grant.
_FIRST = ("cluster", "snapshot-copy-grant", "table", "snapshot")


def survey(estate: Estate) -> Sequence[Finding]:
    """``grant-foreign``, ``grant-widened``, and ``grant-missing`` of grants that services work from. A grant that a
    service made is managed with what it made it for (CONTRACT 1)."""
    return [*_foreign(estate), *_revoked(estate)]


def _foreign(estate: Estate) -> Iterator[Finding]:
    declared: dict[str, list[Recorded]] = defaultdict(list)
    known = {grant.grant_id for grant in estate.held}
    for _, row in estate.of_kind("Grant"):
        declared[str(row.attributes.get("key_arn"))].append(row)
        known |= {str(row.identity), str(row.attributes.get("replaces"))}
    for arn in sorted(estate.keys):
        owners = [row for row in estate.named(arn) if row.address.kind == "Key"]
        for grant in (estate.grants(arn) or ()) if owners else ():
            if grant.grant_id in known or (is_of_a_service(grant) and not estate.tells_all_grants):
                continue
            yield _found(estate, owners[0], declared[arn], grant)


def _found(estate: Estate, key: Recorded, declared: Sequence[Recorded], grant: GrantDescription) -> Finding:
    terms = _terms_of(grant)
    alike = [
        (row, was)
        for row in declared
        if row.observed is not None
        and (was := GrantObservation.model_validate_json(row.observed)).grantee_principal == grant.grantee_principal
    ]
    path, observed = f"grants.{grant.grant_id}", in_words(terms)
    revoke = "without its manifest the next `reconciler apply` revokes it"
    name = key.address.name
    if alike and not any(passes_on(_terms_of(was), terms) for _, was in alike):
        row, was = alike[0]
        fix = f"`reconciler import Grant/{name}-wider {grant.grant_id}` takes it over; {revoke}"
        return estate.finding(row.address, "grant-widened", path, in_words(_terms_of(was)), observed, fix)
    fix = f"`reconciler import Grant/{name}-foreign {grant.grant_id}` takes it over; {revoke}"
    return estate.finding(key.address, "grant-foreign", path, None, observed, fix)


def _revoked(estate: Estate) -> Iterator[Finding]:
    """Grants that a service works from and its key does not have, unless another grant allows all the same (KM3)."""
    held: dict[str, list[HeldGrant]] = defaultdict(list)
    for one in estate.held:
        if one.what in _FIRST and one.key_arn in estate.keys:
            held[one.grant_id].append(one)
    for grant_id, uses in sorted(held.items()):
        uses.sort(key=lambda one: (_FIRST.index(one.what), one.name))
        standing = estate.grants(uses[0].key_arn)
        if standing is None or any(grant.grant_id == grant_id for grant in standing):
            continue
        lacking = [one for one in uses if not _is_allowed(estate, one, standing)]
        row = next((row for one in lacking for row in estate.named(one.arn)), None)
        if row is not None:
            one = lacking[0]
            operations = ", ".join(sorted(set(one.operations) - UNCONSTRAINED))
            yield estate.finding(
                row.address,
                "grant-missing",
                "grant_id",
                f"{grant_id}: {one.grantee} may {operations} on {one.key_arn}",
                None,
                f"declare a Grant on that key with granteePrincipal {one.grantee} and operations [{operations}], and "
                "run `reconciler apply`; until then its data cannot be opened",
            )


def _is_allowed(estate: Estate, held: HeldGrant, standing: Sequence[GrantDescription]) -> bool:
    account = account_of(held.arn) or held.key_arn.split(":")[4]
    caller = Caller(principal=held.grantee, account=account)
    grants = [Grant(grant.grant_id, _terms_of(grant)) for grant in standing]
    requests = [
        AccessRequest(caller=caller, action=f"kms:{operation}", now=estate.now, context=held.context)
        for operation in held.operations
        if operation not in UNCONSTRAINED
    ]
    return all(any(grant.permits(request) for grant in grants) for request in requests)


def _terms_of(grant: GrantDescription | GrantObservation) -> GrantTerms:
    return GrantTerms(
        grantee_principal=grant.grantee_principal,
        operations=grant.operations,
        retiring_principal=grant.retiring_principal,
        context_subset=grant.context_subset,
        context_equals=grant.context_equals,
    )


def in_words(terms: GrantTerms) -> str:
    """Who may do what, under which context."""
    text = f"{terms.grantee_principal} may {', '.join(sorted(terms.operations))}"
    for words, pairs in (("under exactly", terms.context_equals), ("under", terms.context_subset)):
        if pairs is not None:
            text += f" {words} {_pairs(pairs)}"
    return text


def _pairs(pairs: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={pairs[name]}" for name in sorted(pairs))
