"""How a partition is adopted, configured anew and let go (HS5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.errors import BlockedByGuard, Diagnostic, HsmError
from reconciler.model.change import Outcome
from reconciler.model.ports import Services, StepServices
from reconciler.providers.hsm import PartitionDescription, PartitionRequest, Verification
from reconciler.providers.keys import KeyProvider
from reconciler.providers.secret_source import SecretSource
from reconciler.providers.typed import hsm_provider, keeping_cluster_keys, key_provider
from reconciler.resources.hsm_faults import explained
from reconciler.resources.hsm_partition.need import require_unneeded
from reconciler.resources.kind import ResourceStep
from reconciler.resources.reference import Reference


@dataclass(frozen=True, kw_only=True)
class PartitionStep(ResourceStep):
    """A call about one partition of one HSM provider. ``partition`` is its name there."""

    partition: str

    def check(self, services: Services) -> None:
        hsm_provider(services, self.provider)


@dataclass(frozen=True, kw_only=True)
class Configure(PartitionStep):
    """A partition's whole configuration. ``pin_from`` is as in a manifest; the PIN itself is read by whoever needs
    it."""

    pin_from: Mapping[str, Any]
    token_label: str | None
    slot: int | None
    at: str | None
    server_certificate: str | None
    client_certificate: Reference | None
    allow_unenforced: bool
    verify: str

    def request(self, services: Services) -> PartitionRequest:
        """What the provider is asked for, now that its certificate exists."""
        named = self.client_certificate
        return PartitionRequest(
            name=self.partition,
            pin_from=SecretSource.model_validate(dict(self.pin_from)),
            token_label=self.token_label,
            slot=self.slot,
            address=self.at,
            server_certificate=self.server_certificate,
            client_certificate=None if named is None else named.name_in(services),
            allow_unenforced=self.allow_unenforced,
            verify=Verification(self.verify),
        )


@dataclass(frozen=True, kw_only=True)
class AdoptPartition(Configure):
    """Reach it, test what it can do and whether it keeps keys in, put our marker key into it. Nothing is kept when it
    fails."""

    def same_request(self, begun: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
        """What its token made is found by that alone; what else was asked for since is the next plan's."""
        return bool(begun["partition"] == now["partition"])

    def run(self, services: StepServices) -> Outcome:
        try:
            made = hsm_provider(services, self.provider).create_partition(
                self.caller(services), self.request(services), token=services.token
            )
        except HsmError as error:
            raise explained(error, self.address, self.client_certificate) from error
        return Outcome(attributes=identity_of(made))


@dataclass(frozen=True, kw_only=True)
class ReconfigurePartition(Configure):
    """The same partition, reached or used in another way. Its marker key must open there, or nothing is changed."""

    def run(self, services: StepServices) -> Outcome:
        try:
            changed = hsm_provider(services, self.provider).modify_partition(
                self.caller(services), self.request(services)
            )
        except HsmError as error:
            raise explained(error, self.address, self.client_certificate) from error
        return Outcome(attributes=identity_of(changed))


@dataclass(frozen=True, kw_only=True)
class DestroyClusterKeys(PartitionStep):
    """The cluster keys in it that nothing is under any more, for ever: none goes while one is needed in any partition.
    Asks census and data planes once more right before (I3, CONTRACT 5); keys of kind Key go by their own manifests."""

    arn: str

    def check(self, services: Services) -> None:
        keeping_cluster_keys(services, self.provider)

    def run(self, services: StepServices) -> Outcome:
        refuse_while_used(self, services, self.arn)
        keeper, who = keeping_cluster_keys(services, self.provider), self.caller(services)
        key_ids = [key.key_id for key in keeper.describe_cluster_keys(who, self.arn)]
        if key_ids:  # what was replicated by the connection only may be the one copy that opens, wherever its data are
            require_unneeded(services, self.address, self.arn, key_ids)
        for key_id in key_ids:
            keeper.retire_cluster_key(who, self.arn, key_id)
            keeper.destroy_cluster_key(who, self.arn, key_id)
        return Outcome()


@dataclass(frozen=True, kw_only=True)
class ReleasePartition(PartitionStep):
    """Its marker key and its configuration go. Whatever else is in it stays."""

    arn: str

    def run(self, services: StepServices) -> Outcome:
        refuse_while_used(self, services, self.arn)
        hsm_provider(services, self.provider).delete_partition(self.caller(services), self.partition)
        return Outcome(gone=True)


def refuse_while_used(step: PartitionStep, services: StepServices, arn: str) -> None:
    """BlockedByGuard while anything is rooted in the partition, or a key lives in it."""
    keys: KeyProvider = key_provider(services, step.provider)
    living = [f"the key {key.arn}" for key in keys.list_keys(step.caller(services)) if key.partition == step.partition]
    uses = [*services.key_uses(arn), *living]
    if uses:
        raise BlockedByGuard(
            [
                Diagnostic(
                    code="key-in-use",
                    summary=f"{step.address} still opens {use}; nothing in it is destroyed",
                    address=step.address,
                    suggestion="Move it to another root or let it go first, then apply again.",
                )
                for use in uses
            ]
        )


def identity_of(made: PartitionDescription) -> dict[str, str]:
    """What the state records of a partition."""
    return {"id": made.arn, "arn": made.arn, "name": made.name, "uid": made.uid}
