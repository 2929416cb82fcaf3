"""How a key is changed. Each step repeats safely: the service's own calls do, given the step's token (I11)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from reconciler.errors import BlockedByGuard, Diagnostic
from reconciler.model.change import Outcome
from reconciler.model.ports import Services, StepServices
from reconciler.providers.keys import IssuesGrants, KeyProvider, KeyRequest
from reconciler.providers.typed import (
    hsm_provider,
    importing_material,
    key_provider,
    making_other_keys,
    replicating_keys,
    rotating_keys,
)
from reconciler.resources.elsewhere import is_going
from reconciler.resources.key.observe import identity_of
from reconciler.resources.key.spec import SYMMETRIC
from reconciler.resources.key_calls import KeyCall, own_key
from reconciler.resources.kind import ResourceStep
from reconciler.resources.outage import refuse_outage
from reconciler.resources.reference import Reference


@dataclass(frozen=True, kw_only=True)
class KeyStep(ResourceStep):
    """A call about one key of one provider."""

    def keys(self, services: Services) -> KeyProvider:
        """The key service."""
        return key_provider(services, self.provider)

    def key_calls(self, services: Services) -> Sequence[KeyCall]:
        """See ``CallsKeys``."""
        return ()

    def _call(self, operation: str, **asked: Any) -> KeyCall:
        return KeyCall(key=own_key(self.address), operation=operation, **asked)


@dataclass(frozen=True, kw_only=True)
class CreateKey(KeyStep):
    """A new key, with the default policy until its KeyPolicy follows. Records the rotation trigger without rotating."""

    description: str
    key_spec: str
    key_usage: str
    multi_region: bool
    tags: Mapping[str, str] = field(default_factory=dict)
    trigger: str | None = None
    origin: str = "AWS_KMS"
    partition: Reference | None = None

    def check(self, services: Services) -> None:
        """What it shall be is asked now: a key cannot become that later (STYLE habit 5)."""
        if self.partition is not None:
            hsm_provider(services, self.provider)
        if self.key_spec != SYMMETRIC:
            making_other_keys(services, self.provider, self.key_spec)
        if self.multi_region:
            replicating_keys(services, self.provider)
        if self.origin == "EXTERNAL":
            importing_material(services, self.provider)

    def run(self, services: StepServices) -> Outcome:
        request = KeyRequest(
            description=self.description,
            key_spec=self.key_spec,
            key_usage=self.key_usage,
            multi_region=self.multi_region,
            tags=self.tags,
            origin=self.origin,
            partition=None if self.partition is None else self.partition.name_in(services),
        )
        made = self.keys(services).create_key(self.caller(services), request, token=services.token)
        return Outcome(attributes={"id": identity_of(made), "arn": made.arn, "trigger": self.trigger})


@dataclass(frozen=True, kw_only=True)
class DescribeAnew(KeyStep):
    """Another description."""

    description: str

    def key_calls(self, services: Services) -> Sequence[KeyCall]:
        return [self._call("UpdateKeyDescription")]

    def run(self, services: StepServices) -> Outcome:
        key_id = self.identity(services)
        self.keys(services).update_key_description(self.caller(services), key_id, self.description)
        return Outcome()


@dataclass(frozen=True, kw_only=True)
class SetTags(KeyStep):
    """Tags as declared: set these, remove those."""

    tags: Mapping[str, str]
    removed: tuple[str, ...]

    def key_calls(self, services: Services) -> Sequence[KeyCall]:
        tagged = [self._call("TagResource", tags=self.tags)] if self.tags else []
        removed = [self._call("UntagResource", tags=dict.fromkeys(self.removed, ""))] if self.removed else []
        return [*tagged, *removed]

    def run(self, services: StepServices) -> Outcome:
        key_id, who = self.identity(services), self.caller(services)
        if self.tags:
            self.keys(services).tag_resource(who, key_id, self.tags)
        if self.removed:
            self.keys(services).untag_resource(who, key_id, self.removed)
        return Outcome()


class RotationStep(KeyStep):
    """A call about a key's rotation."""

    def check(self, services: Services) -> None:
        rotating_keys(services, self.provider)


@dataclass(frozen=True, kw_only=True)
class SetRotationPeriod(RotationStep):
    """The service's own rotation: a period in days, or off."""

    period_days: int | None

    def key_calls(self, services: Services) -> Sequence[KeyCall]:
        return [self._call("DisableKeyRotation" if self.period_days is None else "EnableKeyRotation")]

    def run(self, services: StepServices) -> Outcome:
        key_id, who = self.identity(services), self.caller(services)
        rotating = rotating_keys(services, self.provider)
        if self.period_days is None:
            rotating.disable_key_rotation(who, key_id)
        else:
            rotating.enable_key_rotation(who, key_id, period_days=self.period_days)
        return Outcome()


@dataclass(frozen=True, kw_only=True)
class RotateKey(RotationStep):
    """New ciphertext uses new material; old ciphertext still opens (KM10). Carries the material that it was planned
    on."""

    from_material: str
    trigger: str | None

    def same_request(self, begun: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
        """One that was carried out has left other material already: it is the same rotation all the same (I11)."""
        return bool(begun["trigger"] == now["trigger"])

    def key_calls(self, services: Services) -> Sequence[KeyCall]:
        return [self._call("RotateKeyOnDemand")]

    def run(self, services: StepServices) -> Outcome:
        who, key_id = self.caller(services), self.identity(services)
        rotating = rotating_keys(services, self.provider)
        material = rotating.rotate_key(who, key_id, token=services.token)
        attributes = {"material_id": material}
        return Outcome(attributes=attributes if self.trigger is None else {**attributes, "trigger": self.trigger})


@dataclass(frozen=True, kw_only=True)
class EnableKey(KeyStep):
    """Every use of the key goes on."""

    def key_calls(self, services: Services) -> Sequence[KeyCall]:
        return [self._call("EnableKey")]

    def run(self, services: StepServices) -> Outcome:
        self.keys(services).enable_key(self.caller(services), self.identity(services))
        return Outcome()


@dataclass(frozen=True, kw_only=True)
class DisableKey(KeyStep):
    """Every use of the key stops at once; enabling it undoes that. Unless the outage was accepted, the census is asked
    once more right before the call (CONTRACT 5)."""

    accepts_outage: bool = False

    def key_calls(self, services: Services) -> Sequence[KeyCall]:
        return [self._call("DisableKey")]

    def run(self, services: StepServices) -> Outcome:
        if not self.accepts_outage:
            refuse_outage(self.address, services.key_uses(str(services.attributes(self.address)["arn"])), "disabling")
        self.keys(services).disable_key(self.caller(services), self.identity(services))
        return Outcome()


@dataclass(frozen=True, kw_only=True)
class CancelKeyDeletion(KeyStep):
    """The deletion window ends and the key stays, disabled."""

    def key_calls(self, services: Services) -> Sequence[KeyCall]:
        return [self._call("CancelKeyDeletion")]

    def run(self, services: StepServices) -> Outcome:
        self.keys(services).cancel_key_deletion(self.caller(services), self.identity(services))
        return Outcome(attributes={"deletion_date": None})


@dataclass(frozen=True, kw_only=True)
class ScheduleKeyDeletion(KeyStep):
    """The key goes after the waiting days. Asks the census once more right before the call, and the key service for
    what no manifest at hand may know of: a service that holds a grant has data under the key, and a primary goes after
    its replicas (I3, CONTRACT 5)."""

    waiting_days: int

    def key_calls(self, services: Services) -> Sequence[KeyCall]:
        return [self._call("ListGrants"), self._call("ScheduleKeyDeletion", waiting_days=self.waiting_days)]

    def run(self, services: StepServices) -> Outcome:
        key_id, who = self.identity(services), self.caller(services)
        arn = str(services.attributes(self.address)["arn"])
        uses = [*services.key_uses(arn), *self._granted(services, key_id), *self._replicas(services, key_id)]
        if uses:
            raise BlockedByGuard(
                [
                    Diagnostic(
                        code="key-in-use",
                        summary=f"{self.address} still opens {use}; it is not scheduled for deletion",
                        address=self.address,
                        suggestion="Switch it to another key or delete it first, then apply again.",
                    )
                    for use in uses
                ]
            )
        date = self.keys(services).schedule_key_deletion(who, key_id, waiting_days=self.waiting_days)
        return Outcome(attributes={"deletion_date": date.isoformat()}, leaving=True)

    def _replicas(self, services: StepServices, key_id: str) -> list[str]:
        """Those of a primary that stay."""
        found = self.keys(services).describe_keys(self.caller(services), [key_id]).get(key_id)
        if found is None or found.primary_arn != found.arn:
            return []
        return [f"the replica {arn}" for arn in found.replica_arns if not is_going(services, arn)]

    def _granted(self, services: StepServices, key_id: str) -> list[str]:
        keys = self.keys(services)
        if not isinstance(keys, IssuesGrants):
            return []
        return [
            f"what {grant.grantee_principal} holds through grant {grant.grant_id}"
            for grant in keys.list_grants(self.caller(services), key_id)
            if grant.grantee_principal.endswith(".amazonaws.com")
        ]
