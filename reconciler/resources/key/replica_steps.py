"""How multi-Region keys are replicated, and how another of them becomes the primary (reference, "ReplicateKey")."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from reconciler.errors import AlreadyExistsException, ProviderUnavailable
from reconciler.model.change import Outcome
from reconciler.model.ports import Services, StepServices
from reconciler.providers.key_material import ReplicaRequest
from reconciler.providers.keys import KeyState
from reconciler.providers.typed import caller, replicating_keys
from reconciler.resources.key.observe import identity_of
from reconciler.resources.key.steps import KeyStep
from reconciler.resources.key_calls import FindsKeys, KeyCall
from reconciler.resources.reference import Reference


@dataclass(frozen=True, kw_only=True)
class ReplicateKey(KeyStep):
    """A replica of the primary in this Provider's Region, with the default policy until its KeyPolicy follows. One that
    is there already is somebody else's, and refused when it is planned (I17)."""

    primary: Reference
    description: str
    tags: Mapping[str, str] = field(default_factory=dict)

    def check(self, services: Services) -> None:
        """See ``Step``."""
        try:
            primary = self.primary.arn_in(services)
        except KeyError:
            return  # a primary that is yet to be made has no replica
        replicating_keys(services, service_of(services, primary))
        region = self.keys(services).region
        there = replica_arn(primary, region)
        if there in self.keys(services).describe_keys(caller(services, self.provider), [there]):
            raise AlreadyExistsException(
                f"{self.primary} has a replica in {region} already ({there})",
                suggestion=f"Bring it in: write `importId: {there}` into the spec of {self.address}.",
            )

    def key_calls(self, services: Services) -> Sequence[KeyCall]:
        """See ``CallsKeys``."""
        return [KeyCall(key=self.primary, operation="ReplicateKey")]

    def run(self, services: StepServices) -> Outcome:
        """See ``Step``."""
        primary = self.primary.arn_in(services)
        through = service_of(services, primary)
        request = ReplicaRequest(region=self.keys(services).region, description=self.description, tags=dict(self.tags))
        made = replicating_keys(services, through).replicate_key(caller(services, through), primary, request)
        return Outcome(attributes={"id": identity_of(made), "arn": made.arn, "trigger": None})


@dataclass(frozen=True, kw_only=True)
class HandOver(KeyStep):
    """Its replica is the primary from now on, and it is a replica of that one. Called once more while that is under
    way: whoever was interrupted there has it carried through."""

    successor: Reference

    def check(self, services: Services) -> None:
        """See ``Step``."""
        replicating_keys(services, self.provider)

    def key_calls(self, services: Services) -> Sequence[KeyCall]:
        """See ``CallsKeys``."""
        return [self._call("UpdatePrimaryRegion"), KeyCall(key=self.successor, operation="UpdatePrimaryRegion")]

    def run(self, services: StepServices) -> Outcome:
        """See ``Step``."""
        successor, key_id, who = self.successor.arn_in(services), self.identity(services), self.caller(services)
        found = self.keys(services).describe_keys(who, [key_id]).get(key_id)
        if found is None or found.primary_arn != successor or found.state == KeyState.UPDATING:
            region = successor.split(":")[3]
            replicating_keys(services, self.provider).update_primary_region(who, key_id, region=region)
        return Outcome()


def service_of(services: Services, arn: str) -> str:
    """The declared key Provider of the account and Region of a key. ProviderUnavailable."""
    found = services.key_service_of(arn) if isinstance(services, FindsKeys) else None
    if found is None:
        region, account = arn.split(":")[3:5]
        raise ProviderUnavailable(
            f"No declared Provider has the keys of account {account} in {region}, where {arn} is",
            suggestion="Declare a Provider with a key service there.",
        )
    return found


def replica_arn(primary: str, region: str) -> str:
    """ARN of a multi-Region key in another Region of its account."""
    parts = primary.split(":")
    return ":".join([*parts[:3], region, *parts[4:]])
