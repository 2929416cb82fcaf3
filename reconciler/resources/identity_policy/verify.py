"""Proof that a principal may do what its declared policy says: by what the key service decides from (KS4)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from reconciler.access.caller import Caller
from reconciler.access.decision import decide_identity
from reconciler.access.identity_widening import probes
from reconciler.access.parsing import parse_policy
from reconciler.access.principals import account_of
from reconciler.model.ports import Services
from reconciler.providers.proofs import PROBES, Check, Witness, unprotected
from reconciler.providers.typed import caller, holding_identity_policies
from reconciler.resources.identity_policy.held import Held
from reconciler.resources.identity_policy.observe import IdentityPolicyObservation
from reconciler.resources.identity_policy.spec import IdentityPolicySpec
from reconciler.resources.kind import VerifyInput

_FIX: Final = (
    "Run `reconciler apply`: it puts the declared policy back. Find out who changed it, and what was done since."
)


def verify(
    given: VerifyInput[IdentityPolicySpec, IdentityPolicyObservation], services: Services, witness: Witness
) -> Iterator[Check]:
    """The same requests are put to the policy that is kept and to the declared one."""
    held = Held.of(str(given.attributes["id"]))
    policies = holding_identity_policies(services, given.provider)
    found = policies.list_identity_policies(caller(services, given.provider), [held.principal])
    stored = next((one.document for one in found if one.name == held.name), None)
    if stored is None:
        yield unprotected(PROBES, f"{held.principal} does not hold the policy {held.name}", "Run `reconciler plan`.")
        return
    declared: Any = stored
    if given.spec is not None:
        declared = given.spec.document
    elif given.expected is not None:
        declared = given.expected.document
    one, other = parse_policy(declared, identity=True), parse_policy(stored, identity=True)
    who = Caller(principal=held.principal, account=account_of(held.principal) or "")
    count = 0
    for request in probes([declared, stored], who, services.clock.now()):
        wanted, decided = decide_identity(request, [one]), decide_identity(request, [other])
        if wanted.effect is not decided.effect:
            verb = "allows" if decided.allowed else "does not allow"
            yield unprotected(
                PROBES,
                f"the policy {held.name} of {held.principal} {verb} {request.action} ({decided.reason}); the declared "
                "one decides otherwise",
                _FIX,
            )
            return
        count += 1
    yield Check(what=PROBES, count=count)
