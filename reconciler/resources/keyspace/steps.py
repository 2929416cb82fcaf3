"""How a keyspace is made and removed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.errors import ConflictException
from reconciler.model.change import Outcome
from reconciler.model.ports import StepServices
from reconciler.providers.tables import TableProvider
from reconciler.providers.typed import table_provider
from reconciler.resources.kind import ResourceStep


@dataclass(frozen=True, kw_only=True)
class KeyspaceStep(ResourceStep):
    """A call about one keyspace."""

    keyspace: str

    def tables(self, services: StepServices) -> TableProvider:
        """The table service."""
        return table_provider(services, self.provider)


@dataclass(frozen=True, kw_only=True)
class CreateKeyspace(KeyspaceStep):
    """A new keyspace."""

    replication: str

    def same_request(self, begun: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
        """What its token made is found by that alone; what else was asked for since is the next plan's."""
        return bool(begun["keyspace"] == now["keyspace"])

    def run(self, services: StepServices) -> Outcome:
        made = self.tables(services).create_keyspace(
            self.caller(services), self.keyspace, replication=self.replication, token=services.token
        )
        return Outcome(attributes={"id": made.arn, "arn": made.arn, "name": made.name, "replication": self.replication})


@dataclass(frozen=True, kw_only=True)
class Relabel(KeyspaceStep):
    """Another replication class. It is only a label (CONTRACT 1), so it changes in the state alone."""

    replication: str

    def run(self, services: StepServices) -> Outcome:
        return Outcome(attributes={"replication": self.replication})


@dataclass(frozen=True, kw_only=True)
class DeleteKeyspace(KeyspaceStep):
    """The keyspace goes, if it is empty."""

    def run(self, services: StepServices) -> Outcome:
        try:
            self.tables(services).delete_keyspace(self.caller(services), self.keyspace)
        except ConflictException as error:
            raise ConflictException(
                f"{self.address} still has tables, and is not removed",
                detail=error.summary,
                address=self.address,
                suggestion="Declare it again, or first remove its tables (`lifecycle.preventDestroy: false` lets them "
                "go).",
            ) from error
        return Outcome(gone=True)
