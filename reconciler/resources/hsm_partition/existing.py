"""Every partition that an HSM provider has adopted."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.model.ports import Services
from reconciler.providers.typed import caller, hsm_provider
from reconciler.resources.hsm_partition.steps import identity_of
from reconciler.resources.kind import Existing


def existing(provider: str, services: Services) -> Sequence[Existing]:
    """All partitions, ordered by name; one call. Asks no HSM."""
    found = hsm_provider(services, provider).describe_partitions(caller(services, provider))
    return [Existing(name=one.name, attributes=identity_of(one), others=(one.arn, one.uid)) for one in found]
