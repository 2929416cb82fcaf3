"""How a grant is made and ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reconciler.access.grants import Grant
from reconciler.access.request import AccessRequest, GrantTerms
from reconciler.access.simulation import caller_of
from reconciler.errors import ReadBackFailed
from reconciler.model.change import Outcome
from reconciler.model.ports import Services, StepServices
from reconciler.providers.keys import GrantRequest
from reconciler.providers.typed import issuing_grants
from reconciler.resources.key_calls import KeyCall
from reconciler.resources.kind import ResourceStep
from reconciler.resources.lockout_recheck import refuse_lockout
from reconciler.resources.outage import refuse_outage
from reconciler.resources.reference import Reference


class GrantStep(ResourceStep):
    """A call about one grant."""

    def check(self, services: Services) -> None:
        issuing_grants(services, self.provider)


@dataclass(frozen=True, kw_only=True)
class CreateGrant(GrantStep):
    """A grant, named by the step's token so that a repeat answers the same grant. The one it replaces is remembered
    until it is revoked."""

    key: Reference
    grantee_principal: str
    retiring_principal: str | None
    operations: tuple[str, ...]
    context_subset: Mapping[str, str] | None
    context_equals: Mapping[str, str] | None
    replaces: str | None = None

    def key_calls(self, services: Services) -> Sequence[KeyCall]:
        terms = GrantTerms(
            grantee_principal=self.grantee_principal,
            operations=self.operations,
            retiring_principal=self.retiring_principal,
            context_subset=self.context_subset,
            context_equals=self.context_equals,
        )
        context = self.context_subset if self.context_equals is None else self.context_equals
        made = KeyCall(key=self.key, operation="CreateGrant", grant=terms, context=context)
        return [made, KeyCall(key=self.key, operation="ListGrants")]

    def run(self, services: StepServices) -> Outcome:
        arn = self.key.arn_in(services)
        request = GrantRequest(
            key_id=arn,
            grantee_principal=self.grantee_principal,
            retiring_principal=self.retiring_principal,
            operations=self.operations,
            name=grant_name(services.token),
            context_subset=self.context_subset,
            context_equals=self.context_equals,
        )
        made = issuing_grants(services, self.provider).create_grant(self.caller(services), request)
        return Outcome(attributes={"id": made.grant_id, "key_arn": arn, "replaces": self.replaces})


@dataclass(frozen=True, kw_only=True)
class VerifyGrant(GrantStep):
    """The new grant is there and allows what was asked for: read back and decided with, before the one that it takes
    the place of ends. ReadBackFailed, and the old one still stands."""

    key: Reference
    grantee_principal: str
    operations: tuple[str, ...]
    context_subset: Mapping[str, str] | None
    context_equals: Mapping[str, str] | None

    def key_calls(self, services: Services) -> Sequence[KeyCall]:
        return [KeyCall(key=self.key, operation="ListGrants")]

    def run(self, services: StepServices) -> Outcome:
        grants, identity = issuing_grants(services, self.provider), self.identity(services)
        listed = grants.list_grants(self.caller(services), self.key.arn_in(services))
        found = next((grant for grant in listed if grant.grant_id == identity), None)
        if found is None:
            raise self._failed(f"the grant {identity[:12]}… is not listed")
        context = self.context_subset if self.context_equals is None else self.context_equals
        terms = GrantTerms(
            grantee_principal=found.grantee_principal,
            operations=found.operations,
            retiring_principal=found.retiring_principal,
            context_subset=found.context_subset,
            context_equals=found.context_equals,
        )
        grantee = caller_of(self.grantee_principal, found.key_arn.split(":")[4])
        for operation in self.operations:
            asked = AccessRequest(
                caller=grantee, action=f"kms:{operation}", now=services.clock.now(), context=context, grant=terms
            )
            if not Grant(found.grant_id, terms).permits(asked):
                raise self._failed(f"{self.grantee_principal} may not {operation} by it")
        return Outcome()

    def _failed(self, what: str) -> ReadBackFailed:
        return ReadBackFailed(
            f"{self.address}: the new grant is not as it was asked for: {what}",
            suggestion="The old grant still stands. `reconciler apply` tries again.",
            address=self.address,
        )


@dataclass(frozen=True, kw_only=True)
class RevokeGrant(GrantStep):
    """What rested only on this grant ends (KM3). Unless the outage was accepted, the census is asked once more right
    before the call whether data rest on it (CONTRACT 5)."""

    key_arn: str
    grant_id: str
    is_last: bool
    accepts_outage: bool = False

    def key_calls(self, services: Services) -> Sequence[KeyCall]:
        return [KeyCall(key=Reference("Key", None, self.key_arn), operation="RevokeGrant", grant_id=self.grant_id)]

    def run(self, services: StepServices) -> Outcome:
        if self.is_last and not self.accepts_outage:
            refuse_outage(self.address, services.key_uses(self.key_arn, self.grant_id), "revoking")
        grants = issuing_grants(services, self.provider)
        if not self.accepts_outage:
            refuse_lockout(services, self.address, self.provider, self.key_arn, without_grant=self.grant_id)
        grants.revoke_grant(self.caller(services), self.key_arn, self.grant_id)
        return Outcome(gone=True) if self.is_last else Outcome(attributes={"replaces": None})


def grant_name(token: str) -> str:
    """A grant's name within the permitted characters, unique to one step."""
    return f"reconciler-{token}"
