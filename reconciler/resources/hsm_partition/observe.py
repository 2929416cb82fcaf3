"""What the HSM provider says of each recorded partition, from what it keeps: no HSM is asked, so that one that cannot
be reached does not stop a plan. What it answers is for ``drift`` and ``verify`` to see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from reconciler.model.address import Address
from reconciler.model.ports import Services
from reconciler.providers.hsm import ClusterKeyDescription, KeepsClusterKeys, PartitionDescription
from reconciler.providers.retired_keys import NOBODY_ASKED, KnowsRetiredKeys
from reconciler.providers.typed import caller, hsm_provider
from reconciler.resources.kind import DataObservation, Target
from reconciler.resources.reference import name_of
from reconciler.resources.sweep import by_provider, only_few

OF_RETIRED_KEYS: Final = ("retired_keys", "needed_keys", "unasked")


class HsmPartitionObservation(DataObservation):
    """A partition as it is configured now. ``uid`` is the id of its marker key; ``pin_from`` says where its PIN is,
    as a manifest does; ``suites`` are those that passed, best first; ``enforced``: it kept keys in that may not leave.
    ``slot`` and ``serial`` are hints: both move in an HSM that is as it was. ``retired_keys`` are the cluster keys that
    nothing new goes under, ``needed_keys`` those of them that something stored names all the same; ``unasked`` are the
    data planes that could not be asked that. Times are UTC."""

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
    retired_keys: tuple[str, ...] = ()
    needed_keys: tuple[str, ...] = ()
    unasked: tuple[str, ...] = ()

    def steady_json(self) -> str:
        """Without what is retired: a plan that destroys of it says what, and another does not depend on it."""
        return self.model_dump_json(exclude=set(OF_RETIRED_KEYS))


def observe(targets: Sequence[Target], services: Services) -> Mapping[Address, HsmPartitionObservation | None]:
    """Two calls a provider for all of its partitions."""
    seen: dict[Address, HsmPartitionObservation | None] = {}
    for provider, group in by_provider(targets):
        names = {name_of(target.attributes): target.address for target in group}
        found = hsm_provider(services, provider).describe_partitions(caller(services, provider), only_few(names))
        there = {description.name: description for description in found}
        keys = _cluster_keys(provider, services) if there else ()
        for name, address in names.items():
            seen[address] = _observation(there[name], keys, services) if name in there else None
    return seen


def _cluster_keys(provider: str, services: Services) -> Sequence[ClusterKeyDescription]:
    """All that the provider recorded."""
    keeper = hsm_provider(services, provider)
    return keeper.describe_cluster_keys(caller(services, provider)) if isinstance(keeper, KeepsClusterKeys) else ()


def _observation(
    description: PartitionDescription, keys: Sequence[ClusterKeyDescription], services: Services
) -> HsmPartitionObservation:
    here = [key for key in keys if key.partition == description.name]
    recorded = [key.key_id for key in here if key.retired_at is not None]
    known = services.retired_keys(description.arn, recorded) if isinstance(services, KnowsRetiredKeys) else NOBODY_ASKED
    told = {key_id for ids in known.retired.values() for key_id in ids}
    # What the HSM's own record calls used is not destroyed, whoever calls it retired.
    retired = sorted({*recorded, *told} - {key.key_id for key in here if key.retired_at is None})
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
        retired_keys=tuple(retired),
        needed_keys=tuple(key_id for key_id in retired if key_id in known.needed),
        unasked=known.unreachable if retired else (),
    )


def pin_in_words(source: Mapping[str, Any]) -> str:
    """Where a PIN is, as a plan shows it."""
    ((kind, where),) = source.items()
    if kind == "fd":
        return f"descriptor {where}"
    return f"file {where}" if kind == "file" else f"command {' '.join(where)}"
