"""How a key policy is changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reconciler.model.change import Outcome
from reconciler.model.ports import Services, StepServices
from reconciler.providers.typed import holding_policies
from reconciler.resources.key_calls import KeyCall
from reconciler.resources.kind import ResourceStep
from reconciler.resources.lockout_recheck import refuse_lockout
from reconciler.resources.reference import Reference


class KeyPolicyStep(ResourceStep):
    """A call about one key's policy."""

    def check(self, services: Services) -> None:
        holding_policies(services, self.provider)


@dataclass(frozen=True, kw_only=True)
class PutKeyPolicy(KeyPolicyStep):
    """The declared document becomes the key's one policy."""

    key: Reference
    document: Mapping[str, Any]

    def key_calls(self, services: Services) -> Sequence[KeyCall]:
        put = KeyCall(key=self.key, operation="PutKeyPolicy", document=self.document)
        # Read back, and looked at by every later plan.
        seen = [KeyCall(key=self.key, operation="GetKeyPolicy")]
        if self.key.name is not None:
            seen.append(KeyCall(key=self.key, operation="DescribeKey"))
        return [put, *seen]

    def run(self, services: StepServices) -> Outcome:
        arn = self.key.arn_in(services)
        refuse_lockout(services, self.address, self.provider, arn, document=self.document)
        holding_policies(services, self.provider).put_key_policy(self.caller(services), arn, self.document)
        return Outcome(attributes={"id": arn, "arn": arn})


@dataclass(frozen=True, kw_only=True)
class PutDefaultKeyPolicy(KeyPolicyStep):
    """The key gets the policy of a key that was made without one: a key is never without (KM2)."""

    def key_calls(self, services: Services) -> Sequence[KeyCall]:
        arn = str(services.attributes(self.address)["arn"])
        return [KeyCall(key=Reference("Key", None, arn), operation="PutKeyPolicy")]

    def run(self, services: StepServices) -> Outcome:
        policies, arn = holding_policies(services, self.provider), self.identity(services)
        default = policies.default_key_policy()
        refuse_lockout(services, self.address, self.provider, arn, document=default)
        policies.put_key_policy(self.caller(services), arn, default)
        return Outcome(gone=True)
