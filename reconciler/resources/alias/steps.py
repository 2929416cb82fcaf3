"""How an alias is changed."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.model.change import Outcome
from reconciler.model.ports import Services, StepServices
from reconciler.providers.typed import naming_keys
from reconciler.resources.kind import ResourceStep
from reconciler.resources.reference import Reference


class AliasStep(ResourceStep):
    """A call about one alias."""

    def check(self, services: Services) -> None:
        naming_keys(services, self.provider)


@dataclass(frozen=True, kw_only=True)
class CreateAlias(AliasStep):
    """A new name for a key."""

    name: str
    key: Reference

    def run(self, services: StepServices) -> Outcome:
        made = naming_keys(services, self.provider).create_alias(
            self.caller(services), self.name, self.key.arn_in(services)
        )
        return Outcome(attributes={"id": made.name, "arn": made.arn})


@dataclass(frozen=True, kw_only=True)
class RetargetAlias(AliasStep):
    """The same name, for another key."""

    name: str
    key: Reference

    def run(self, services: StepServices) -> Outcome:
        naming_keys(services, self.provider).update_alias(self.caller(services), self.name, self.key.arn_in(services))
        return Outcome()


@dataclass(frozen=True, kw_only=True)
class DeleteAlias(AliasStep):
    """The name goes; the key stays."""

    name: str

    def run(self, services: StepServices) -> Outcome:
        naming_keys(services, self.provider).delete_alias(self.caller(services), self.name)
        return Outcome(gone=True)
