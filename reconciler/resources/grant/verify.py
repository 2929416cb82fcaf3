"""Proof that a grant allows what it was declared to allow and nothing beyond it (KM3), decided without asking anybody:
the grantee is never impersonated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from reconciler.access.caller import Caller
from reconciler.access.grants import UNCONSTRAINED, Grant
from reconciler.access.principals import account_of
from reconciler.access.request import AccessRequest, GrantTerms
from reconciler.errors import NotFoundException
from reconciler.model.ports import Services
from reconciler.providers.keys import GrantDescription
from reconciler.providers.proofs import PROBES, Check, Witness, unprotected
from reconciler.providers.typed import caller, issuing_grants
from reconciler.resources.grant.observe import GrantObservation
from reconciler.resources.grant.spec import GrantSpec
from reconciler.resources.kind import VerifyInput

_OPERATIONS = (
    *("CreateGrant", "Decrypt", "DescribeKey", "Encrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext"),
    *("ReEncryptFrom", "ReEncryptTo", "RetireGrant", "PutKeyPolicy", "ScheduleKeyDeletion", "DisableKey"),
    *("Sign", "Verify", "GenerateMac", "VerifyMac", "DeriveSharedSecret", "GetPublicKey", "GenerateDataKeyPair"),
)
_STRANGER = "arn:aws:iam::999999999999:role/stranger"
_FIX = "Run `reconciler plan`: it makes the declared grant and retires this one. Find out who changed it."


def verify(given: VerifyInput[GrantSpec, GrantObservation], services: Services, witness: Witness) -> Iterator[Check]:
    """The grant that stands decides every probe as the declared one would."""
    key_arn, grant_id = str(given.attributes["key_arn"]), str(given.attributes["id"])
    try:
        listed = issuing_grants(services, given.provider).list_grants(caller(services, given.provider), key_arn)
    except NotFoundException:
        listed = []
    found = next((grant for grant in listed if grant.grant_id == grant_id), None)
    if found is None:
        yield unprotected(
            PROBES, f"the grant {grant_id} on {key_arn} is gone", "Run `reconciler apply`: it grants it again."
        )
        return
    declared = _declared(given, found)
    if given.spec is not None and given.spec.key.arn_in(services) != found.key_arn:
        yield unprotected(PROBES, f"the grant {grant_id} is on {found.key_arn}, which is not the declared key", _FIX)
    stands, wanted = Grant(grant_id, _terms(found)), Grant(grant_id, declared)
    decided = 0
    for request in _probes(declared, _terms(found), services):
        if stands.permits(request) is not wanted.permits(request):
            beyond = "allows" if stands.permits(request) else "does not allow"
            held = "" if request.context is None else f" under the context {dict(request.context)}"
            yield unprotected(
                PROBES,
                f"the grant {grant_id} {beyond} {request.action} to {request.caller.principal}{held}; the declared one "
                f"{'does not' if stands.permits(request) else 'does'}",
                _FIX,
            )
            return
        decided += 1
    yield Check(what=PROBES, count=decided)


def _terms(found: GrantDescription) -> GrantTerms:
    return GrantTerms(
        grantee_principal=found.grantee_principal,
        operations=tuple(found.operations),
        retiring_principal=found.retiring_principal,
        context_subset=found.context_subset,
        context_equals=found.context_equals,
    )


def _declared(given: VerifyInput[GrantSpec, GrantObservation], found: GrantDescription) -> GrantTerms:
    spec, expected = given.spec, given.expected
    if spec is not None:
        constraints = spec.constraints
        return GrantTerms(
            grantee_principal=spec.grantee_principal,
            operations=tuple(spec.operations),
            retiring_principal=spec.retiring_principal,
            context_subset=None if constraints is None else constraints.encryption_context_subset,
            context_equals=None if constraints is None else constraints.encryption_context_equals,
        )
    if expected is None:
        return _terms(found)
    return GrantTerms(
        grantee_principal=expected.grantee_principal,
        operations=expected.operations,
        retiring_principal=expected.retiring_principal,
        context_subset=expected.context_subset,
        context_equals=expected.context_equals,
    )


def _probes(declared: GrantTerms, stands: GrantTerms, services: Services) -> Iterator[AccessRequest]:
    """Every operation, by grantee and others, under contexts that fit a constraint, nearly fit, and do not."""
    principals = dict.fromkeys((declared.grantee_principal, stands.grantee_principal, _STRANGER))
    for retiring in (declared.retiring_principal, stands.retiring_principal):
        if retiring is not None:
            principals[retiring] = None
    for principal in principals:
        asks = Caller(principal=principal, account=account_of(principal) or "999999999999")
        for operation in _OPERATIONS:
            for context in (None,) if operation in UNCONSTRAINED else _contexts(declared, stands):
                # A grant is passed on with the constraint that the context stands for.
                passed = GrantTerms(grantee_principal=_STRANGER, operations=("Decrypt",), context_equals=context)
                yield AccessRequest(
                    caller=asks,
                    action=f"kms:{operation}",
                    now=services.clock.now(),
                    context=context,
                    grant=passed if operation == "CreateGrant" else None,
                )


def _contexts(*terms: GrantTerms) -> list[Mapping[str, str]]:
    found: list[Mapping[str, str]] = [{}, {"reconciler:verify": "other"}]
    for pairs in (one for term in terms for one in (term.context_subset, term.context_equals) if one):
        first = min(pairs)
        found += [dict(pairs), {**pairs, "reconciler:verify": "other"}, {**pairs, first: f"{pairs[first]}-other"}]
        found += [{name: value for name, value in pairs.items() if name != first}]
    return found
