"""How an alias is changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reconciler.model.change import Outcome
from reconciler.model.ports import Services, StepServices
from reconciler.providers.typed import naming_keys
from reconciler.resources.key_calls import KeyCall
from reconciler.resources.kind import ResourceStep
from reconciler.resources.reference import Reference


class AliasStep(ResourceStep):
    """A call about one alias."""

    def check(self, services: Services) -> None:
        naming_keys(services, self.provider)

    def named_now(self, services: Services) -> Reference:
        """The key that the alias names before the step."""
        return Reference("Key", None, str(services.attributes(self.address)["arn"]))


@dataclass(frozen=True, kw_only=True)
class CreateAlias(AliasStep):
    """A new name for a key. The one that it takes the place of is remembered until that is removed."""

    name: str
    key: Reference
    replaces: str | None = None

    def key_calls(self, services: Services) -> Sequence[KeyCall]:
        return [KeyCall(key=self.key, operation="CreateAlias", alias=self.name)]

    def run(self, services: StepServices) -> Outcome:
        made = naming_keys(services, self.provider).create_alias(
            self.caller(services), self.name, self.key.arn_in(services)
        )
        return Outcome(attributes={"id": made.name, "arn": made.arn, "replaces": self.replaces})


@dataclass(frozen=True, kw_only=True)
class RetargetAlias(AliasStep):
    """The same name, for another key."""

    name: str
    key: Reference

    def key_calls(self, services: Services) -> Sequence[KeyCall]:
        left = KeyCall(key=self.named_now(services), operation="UpdateAlias", alias=self.name)
        return [left, KeyCall(key=self.key, operation="UpdateAlias", alias=self.name)]

    def run(self, services: StepServices) -> Outcome:
        naming_keys(services, self.provider).update_alias(self.caller(services), self.name, self.key.arn_in(services))
        return Outcome()


@dataclass(frozen=True, kw_only=True)
class DeleteAlias(AliasStep):
    """The name goes; the key stays. ``is_last``: no other took its place."""

    name: str
    is_last: bool = True

    def key_calls(self, services: Services) -> Sequence[KeyCall]:
        return [KeyCall(key=self.named_now(services), operation="DeleteAlias", alias=self.name)]

    def run(self, services: StepServices) -> Outcome:
        naming_keys(services, self.provider).delete_alias(self.caller(services), self.name)
        return Outcome(gone=True) if self.is_last else Outcome(attributes={"replaces": None})
