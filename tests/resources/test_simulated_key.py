"""A key service that cannot tell identity policies leaves open what a key policy leaves to the account."""

from __future__ import annotations

from reconciler.access.caller import Caller
from reconciler.access.policy import Policy
from reconciler.providers.keys import PolicyDocument
from reconciler.resources.simulated_key import identities_of

WHO = Caller(principal="arn:aws:iam::111122223333:role/app", account="111122223333")


class Tells:
    def get_identity_policies(self, principal: str) -> list[PolicyDocument]:
        return []


def statements(policies: object) -> int:
    assert isinstance(policies, list | tuple)
    return sum(len(policy.statements) for policy in policies if isinstance(policy, Policy))


def test_one_that_tells_is_believed() -> None:
    assert statements(identities_of(Tells())(WHO)) == 0


def test_one_that_cannot_tell_is_not_taken_for_a_refusal() -> None:
    assert statements(identities_of(object())(WHO)) == 1
