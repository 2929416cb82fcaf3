"""How retired cluster keys leave a partition's token: by their data planes, which look into what they keep, and then by
the HSM provider what no data plane tells of (RO1, I3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from reconciler.errors import HsmError
from reconciler.model.change import Outcome
from reconciler.model.ports import Services, StepServices
from reconciler.model.recorded import Intent
from reconciler.providers.hsm import RetiresClusterKeys
from reconciler.providers.retired_keys import RetiredKeys
from reconciler.providers.typed import caller, keeping_cluster_keys
from reconciler.resources.hsm_faults import explained
from reconciler.resources.hsm_partition.need import require_unneeded
from reconciler.resources.hsm_partition.observe import HsmPartitionObservation
from reconciler.resources.hsm_partition.steps import PartitionStep

STEP: Final = "destroy-retired-keys"


@dataclass(frozen=True, kw_only=True)
class DestroyRetiredKeys(PartitionStep):
    """These keys, for ever. All data planes are asked once more right before (CONTRACT 5); a call that was killed in
    the middle is ended by the same one again."""

    arn: str
    key_ids: tuple[str, ...]

    def check(self, services: Services) -> None:
        """See ``Step``."""
        keeping_cluster_keys(services, self.provider)

    def run(self, services: StepServices) -> Outcome:
        """See ``Step``."""
        known = self._free(services)
        keeper, who = keeping_cluster_keys(services, self.provider), self.caller(services)
        try:
            for name in sorted(known.retired):
                plane = services.provider(name)
                if isinstance(plane, RetiresClusterKeys):
                    plane.destroy_retired_cluster_keys(caller(services, name), self.key_ids, partition=self.arn)
            for key_id in self.key_ids:
                keeper.destroy_cluster_key(who, self.arn, key_id)
        except HsmError as error:
            raise explained(error, self.address) from error
        return Outcome()

    def _free(self, services: StepServices) -> RetiredKeys:
        """What the data planes say; BlockedByGuard unless all were asked and none needs one of the keys."""
        keeper = keeping_cluster_keys(services, self.provider)
        kept = keeper.describe_cluster_keys(self.caller(services), self.arn, key_ids=self.key_ids)
        used = [key.key_id for key in kept if key.retired_at is None]
        return require_unneeded(services, self.address, self.arn, self.key_ids, used=used)


def outcome(intent: Intent, observed: HsmPartitionObservation, services: Services) -> Outcome | None:
    """That an interrupted step destroyed all that it was to destroy."""
    facts: Mapping[str, Any] = intent.facts
    if intent.step != STEP or set(facts["key_ids"]) & set(observed.retired_keys):
        return None
    return Outcome()
