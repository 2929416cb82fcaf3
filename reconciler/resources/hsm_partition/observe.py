"""What the HSM provider says of each recorded partition, from what it keeps: no HSM is asked, so that one that cannot
be reached does not stop a plan. What it answers is for ``drift`` and ``verify`` to see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from reconciler.model.address import Address
from reconciler.model.ports import Services
from reconciler.providers.hsm import PartitionDescription
from reconciler.providers.typed import caller, hsm_provider
from reconciler.resources.kind import DataObservation, Target
from reconciler.resources.reference import name_of
from reconciler.resources.sweep import by_provider, only_few


class HsmPartitionObservation(DataObservation):
    """A partition as it is configured now. ``uid`` is the id of its marker key; ``pin_from`` says where its PIN is,
    as a manifest does; ``suites`` are those that passed, best first; ``enforced``: it kept keys in that may not leave.
    ``slot`` and ``serial`` are hints: both move in an HSM that is as it was. Times are UTC."""

    arn: str
    token_label: str | None
    slot: int | None
    pin_from: dict[str, Any]
    address: str | None
    server_certificate: str | None
    server_fingerprint: str | None
    server_not_after: datetime | None
    client_certificate: str | None
    allow_unenforced: bool
    verify: str
    suites: tuple[str, ...]
    enforced: bool
    serial: str


def observe(targets: Sequence[Target], services: Services) -> Mapping[Address, HsmPartitionObservation | None]:
    """One call a provider for all of its partitions."""
    seen: dict[Address, HsmPartitionObservation | None] = {}
    for provider, group in by_provider(targets):
        names = {name_of(target.attributes): target.address for target in group}
        found = hsm_provider(services, provider).describe_partitions(caller(services, provider), only_few(names))
        there = {description.name: description for description in found}
        for name, address in names.items():
            seen[address] = observation_of(there[name]) if name in there else None
    return seen


def observation_of(description: PartitionDescription) -> HsmPartitionObservation:
    """A description as an observation."""
    return HsmPartitionObservation(
        arn=description.arn,
        uid=description.uid,
        token_label=description.token_label,
        slot=description.slot,
        pin_from=description.pin_from.model_dump(mode="json", exclude_none=True),
        address=description.address,
        server_certificate=description.server_certificate,
        server_fingerprint=description.server_fingerprint,
        server_not_after=description.server_not_after,
        client_certificate=description.client_certificate,
        allow_unenforced=description.allow_unenforced,
        verify=str(description.verify),
        suites=tuple(str(suite) for suite in description.suites),
        enforced=description.enforced,
        serial=description.serial,
    )


def pin_in_words(source: Mapping[str, Any]) -> str:
    """Where a PIN is, as a plan shows it."""
    ((kind, where),) = source.items()
    if kind == "fd":
        return f"descriptor {where}"
    return f"file {where}" if kind == "file" else f"command {' '.join(where)}"
