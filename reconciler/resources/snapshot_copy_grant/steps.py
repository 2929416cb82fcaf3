"""How a snapshot copy grant is made and removed, in the destination Region (SC2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reconciler.model.change import Outcome
from reconciler.model.ports import Services, StepServices
from reconciler.providers.data import Root, RootKind, WarehouseProvider
from reconciler.providers.typed import warehouse_provider
from reconciler.resources.key_calls import KeyCall, root_calls
from reconciler.resources.kind import ResourceStep
from reconciler.resources.reference import Reference


@dataclass(frozen=True, kw_only=True)
class CopyGrantStep(ResourceStep):
    """A call about one snapshot copy grant."""

    grant: str

    def warehouse(self, services: StepServices) -> WarehouseProvider:
        """The warehouse that receives copies."""
        return warehouse_provider(services, self.provider)


@dataclass(frozen=True, kw_only=True)
class CreateCopyGrant(CopyGrantStep):
    """Lets the Region receive copies under ``key``; None: under its owned key."""

    key: Reference | None

    def same_request(self, begun: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
        """What its token made is found by that alone; what else was asked for since is the next plan's."""
        return bool(begun["grant"] == now["grant"])

    def key_calls(self, services: Services) -> Sequence[KeyCall]:
        return root_calls(services, self.provider, self.key, "snapshot-copy-grant", self.grant)

    def run(self, services: StepServices) -> Outcome:
        root = Root(kind=RootKind.OWNED)
        if self.key is not None:
            root = Root(kind=RootKind.KMS, key_arn=self.key.arn_in(services))
        made = self.warehouse(services).create_snapshot_copy_grant(
            self.caller(services), self.grant, root, token=services.token
        )
        return Outcome(attributes={"id": made.arn, "arn": made.arn, "name": made.name})


@dataclass(frozen=True, kw_only=True)
class DeleteCopyGrant(CopyGrantStep):
    """The grant goes; the warehouse refuses while a cluster copies through it. ``is_last``: none takes its place."""

    is_last: bool

    def run(self, services: StepServices) -> Outcome:
        self.warehouse(services).delete_snapshot_copy_grant(self.caller(services), self.grant)
        return Outcome(gone=True) if self.is_last else Outcome(attributes={"id": None, "arn": None, "name": None})
