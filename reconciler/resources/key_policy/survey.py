"""Policies as others see them: whoever needs the key and is shut out by now, and keys whose policy nobody declares."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

from reconciler.access.caller import Caller
from reconciler.access.decision import decide
from reconciler.access.equality import policies_equal
from reconciler.access.grants import Grant
from reconciler.access.parsing import parse_policy
from reconciler.access.policy import Policy
from reconciler.access.request import AccessRequest, KeyFacts
from reconciler.errors import AccessDeniedException
from reconciler.model.address import Address
from reconciler.model.plan import Finding
from reconciler.providers.key_access import Dependent
from reconciler.providers.keys import HoldsPolicies, PolicyDocument
from reconciler.resources.estate import Estate, terms_of
from reconciler.resources.key_policy.drift import wider_by
from reconciler.resources.key_policy.observe import KeyPolicyObservation


def survey(estate: Estate) -> Sequence[Finding]:
    """``policy-lockout`` of dependents that a changed policy denies what it allowed; ``policy-widened`` of a managed
    key that has no KeyPolicy, against the default policy that it was made with."""
    return [*_shut_out(estate), *_undeclared(estate)]


def _shut_out(estate: Estate) -> Iterator[Finding]:
    for address, row in estate.of_kind("KeyPolicy"):
        observed, arn = estate.observed.get(address), str(row.identity)
        if row.observed is None or not isinstance(observed, KeyPolicyObservation) or arn not in estate.keys:
            continue
        expected = KeyPolicyObservation.model_validate_json(row.observed)
        if policies_equal(expected.document, observed.document):
            continue
        before, after = parse_policy(expected.document), parse_policy(observed.document)
        for dependent in estate.dependents(arn):
            why = _why_denied(estate, arn, dependent, before, after)
            if why is not None:
                name = next((str(one.address) for one in estate.named(dependent.arn)), dependent.name)
                fix = f"`reconciler apply` puts the declared policy back; until then {name} cannot be opened"
                yield estate.finding(
                    address, "policy-lockout", f"document: {name}", "what it asks of the key is allowed", why, fix
                )


def _why_denied(estate: Estate, arn: str, dependent: Dependent, before: Policy, after: Policy) -> str | None:
    """Why a service is denied by the policy that stands what the one before allowed it; None when nothing is."""
    region, account = arn.split(":")[3:5]
    facts = KeyFacts(arn=arn, account=account, region=region)
    grants = [Grant(one.grant_id, terms_of(one)) for one in estate.grants(arn) or ()]
    for access in dependent.accesses:
        if access.principal is None:
            continue  # asked on somebody's behalf, who is to see to it
        request = AccessRequest(
            caller=Caller(principal=access.principal, account=account),
            action=f"kms:{access.operation}",
            now=estate.now,
            key=facts,
            context=access.context,
            grant=access.grant,
        )
        now = decide(request, after, (), grants)
        if not now.allowed and decide(request, before, (), grants).allowed:
            return now.reason
    return None


def _undeclared(estate: Estate) -> Iterator[Finding]:
    declared = {row.identity for _, row in estate.of_kind("KeyPolicy")}
    by_service: dict[str, dict[str, Address]] = defaultdict(dict)
    for arn, (name, _) in sorted(estate.keys.items()):
        owners = [row for row in estate.named(arn) if row.address.kind == "Key"]
        if owners and arn not in declared:
            by_service[name][arn] = owners[0].address
    for name, owners_of in by_service.items():
        service = estate.policies(name)
        if service is None:
            continue
        default = service.default_key_policy()
        for arn, document in _policies(service, estate.caller(name), list(owners_of)).items():
            wider = None if policies_equal(default, document) else wider_by(default, document, arn, estate.now)
            if wider is not None:
                address = owners_of[arn]
                fix = f"declare a KeyPolicy for {address} and run `reconciler apply`; until then {wider}"
                yield estate.finding(address, "policy-widened", "policy", default, document, fix)


def _policies(service: HoldsPolicies, who: Caller, arns: list[str]) -> Mapping[str, PolicyDocument]:
    """One call; a key that is closed to us, which is told of the key itself, makes it one for each."""
    try:
        return service.get_key_policies(who, arns)
    except AccessDeniedException:
        found: dict[str, PolicyDocument] = {}
        for arn in arns:
            with suppress(AccessDeniedException):
                found.update(service.get_key_policies(who, [arn]))
        return found
