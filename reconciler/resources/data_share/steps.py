"""How a share is made, changed and removed. No data move, and no key is used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.model.change import Outcome
from reconciler.model.ports import Services, StepServices
from reconciler.providers.typed import sharing_data
from reconciler.providers.warehouse import SharesData
from reconciler.resources.kind import ResourceStep
from reconciler.resources.reference import Reference


@dataclass(frozen=True, kw_only=True)
class ShareStep(ResourceStep):
    """A call about one share."""

    share: str

    def check(self, services: Services) -> None:
        sharing_data(services, self.provider)

    def warehouse(self, services: StepServices) -> SharesData:
        """The warehouse that has both clusters."""
        return sharing_data(services, self.provider)


@dataclass(frozen=True, kw_only=True)
class CreateShare(ShareStep):
    """From now on the consumer selects from the producer's tables."""

    producer: Reference
    consumer: Reference
    tables: tuple[str, ...]

    def same_request(self, begun: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
        """What its token made is found by that alone; what else was asked for since is the next plan's."""
        return bool(begun["share"] == now["share"])

    def run(self, services: StepServices) -> Outcome:
        made = self.warehouse(services).create_data_share(
            self.caller(services),
            self.share,
            producer=self.producer.name_in(services),
            consumer=self.consumer.name_in(services),
            tables=self.tables,
            token=services.token,
        )
        return Outcome(attributes={"id": made.arn, "arn": made.arn, "name": made.name, "uid": made.uid})


@dataclass(frozen=True, kw_only=True)
class AlterShare(ShareStep):
    """These tables, and no others."""

    tables: tuple[str, ...]

    def run(self, services: StepServices) -> Outcome:
        self.warehouse(services).alter_data_share(self.caller(services), self.share, tables=self.tables)
        return Outcome()


@dataclass(frozen=True, kw_only=True)
class DeleteShare(ShareStep):
    """The consumer no longer sees it; the tables stay where they are. ``is_last``: none takes its place."""

    is_last: bool

    def run(self, services: StepServices) -> Outcome:
        self.warehouse(services).delete_data_share(self.caller(services), self.share)
        return Outcome(gone=True) if self.is_last else Outcome(attributes=dict.fromkeys(("id", "arn", "name", "uid")))
