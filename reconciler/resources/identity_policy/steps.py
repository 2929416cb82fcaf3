"""How an identity policy is changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.access.principals import account_of
from reconciler.errors import MissingCapability
from reconciler.model.change import Outcome
from reconciler.model.ports import Services, StepServices
from reconciler.providers.typed import holding_identity_policies, key_provider
from reconciler.resources.identity_calls import IdentityChange
from reconciler.resources.identity_policy.held import Held
from reconciler.resources.kind import ResourceStep


@dataclass(frozen=True, kw_only=True)
class IdentityPolicyStep(ResourceStep):
    """A call about one policy of one principal."""

    principal: str
    name: str

    def check(self, services: Services) -> None:
        holding_identity_policies(services, self.provider)
        account = key_provider(services, self.provider).account
        if account_of(self.principal) != account:
            raise MissingCapability(
                f'Provider "{self.provider}" keeps the identity policies of account {account}, and {self.principal} is '
                "of another (KM7)",
                suggestion="Name a Provider of the principal's account.",
            )


@dataclass(frozen=True, kw_only=True)
class PutIdentityPolicy(IdentityPolicyStep):
    """The principal holds the document under that name. What it takes the place of is remembered until that is
    removed."""

    document: Mapping[str, Any]
    replaces: str | None = None

    def identity_change(self) -> IdentityChange:
        return IdentityChange(principal=self.principal, name=self.name, document=self.document)

    def run(self, services: StepServices) -> Outcome:
        policies = holding_identity_policies(services, self.provider)
        policies.put_identity_policy(self.caller(services), self.principal, self.name, self.document)
        return Outcome(attributes={**Held(self.principal, self.name).attributes, "replaces": self.replaces})


@dataclass(frozen=True, kw_only=True)
class DeleteIdentityPolicy(IdentityPolicyStep):
    """The principal no longer holds it. ``is_last``: no other took its place."""

    is_last: bool = True

    def identity_change(self) -> IdentityChange:
        return IdentityChange(principal=self.principal, name=self.name, document=None)

    def run(self, services: StepServices) -> Outcome:
        policies = holding_identity_policies(services, self.provider)
        policies.delete_identity_policy(self.caller(services), self.principal, self.name)
        return Outcome(gone=True) if self.is_last else Outcome(attributes={"replaces": None})
