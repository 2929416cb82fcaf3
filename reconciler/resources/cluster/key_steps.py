"""What is done to a cluster's keys beside giving it another root: every tier anew, and a second wrap in escrow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reconciler.model.change import Outcome
from reconciler.model.ports import Services, StepServices
from reconciler.providers.typed import keeping_escrow, re_encrypting
from reconciler.resources.cluster.root import reencrypted_under
from reconciler.resources.cluster.status import AVAILABLE
from reconciler.resources.cluster.steps import ClusterStep, measured_seconds
from reconciler.resources.key_calls import KeyCall, root_calls
from reconciler.resources.reference import Reference, name_of


@dataclass(frozen=True, kw_only=True)
class ReEncrypt(ClusterStep):
    """Data are written again under new keys of every tier (``reencrypt: true``). Carries the DEK that it was planned
    on: once past it, and available, there is nothing left to do. Records for which root and trigger it was done."""

    from_dek: str | None
    trigger: str | None

    def check(self, services: Services) -> None:
        """See ``Step``."""
        re_encrypting(services, self.provider)

    def same_request(self, begun: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
        """Killed half-way the cluster has another DEK already: it is the same change all the same (I11)."""
        return bool(begun["trigger"] == now["trigger"])

    def seconds(self, services: Services) -> float | None:
        """See ``EstimatesItself``."""
        return measured_seconds(services, self.provider, self.address)

    def run(self, services: StepServices) -> Outcome:
        """See ``Step``."""
        found = self.described(services)
        if found is None or found.dek_id == self.from_dek or found.status != AVAILABLE:
            found = re_encrypting(services, self.provider).re_encrypt(
                self.caller(services), self.name(services), progress=services.progress, token=services.token
            )
        attributes = {"reencrypted": reencrypted_under(found.root, self.trigger)}
        return Outcome(attributes=attributes if self.trigger is None else {**attributes, "trigger": self.trigger})


@dataclass(frozen=True, kw_only=True)
class SetEscrow(ClusterStep):
    """Every DEK of the cluster and its snapshots wrapped a second time under ``escrow``, read back and opened before it
    counts; None: those wraps go (RE14)."""

    escrow: Reference | None

    def check(self, services: Services) -> None:
        """See ``Step``."""
        keeping_escrow(services, self.provider)

    def key_calls(self, services: Services) -> Sequence[KeyCall]:
        """See ``CallsKeys``."""
        try:
            name = name_of(services.attributes(self.address))
        except KeyError:
            name = self.address.name  # this plan makes it
        return root_calls(services, self.provider, self.escrow, "escrow", name)

    def run(self, services: StepServices) -> Outcome:
        """See ``Step``."""
        key_arn = None if self.escrow is None else self.escrow.arn_in(services)
        keeping_escrow(services, self.provider).set_escrow(
            self.caller(services), self.name(services), key_arn, token=services.token
        )
        return Outcome()
