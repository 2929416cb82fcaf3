"""An older copy of a whole warehouse, authentic in itself: told by how far the state has seen its clusters come (I16).

Nothing is changed about such a cluster, and no statement goes to it, until its newest folder is put back or the older
one accepted by name: ``--refresh-only`` records what is there, and the journal says so.
"""

from __future__ import annotations

from reconciler.errors import StoreRolledBack
from reconciler.model.change import Verdict
from reconciler.model.plan import Finding
from reconciler.model.ports import Services
from reconciler.model.recorded import Recorded
from reconciler.providers.typed import caller, warehouse_provider
from reconciler.resources import verdicts
from reconciler.resources.cluster.observe import ClusterObservation, observation_of
from reconciler.resources.cluster.spec import ClusterSpec
from reconciler.resources.kind import DiffInput, DriftInput
from reconciler.resources.reference import name_of


def refused(given: DiffInput[ClusterSpec, ClusterObservation], observed: ClusterObservation) -> Verdict:
    """The guard's answer, if the cluster is an older copy."""
    text = None if given.recorded is None else given.recorded.observed
    known = None if text is None else ClusterObservation.model_validate_json(text)
    if known is None or not observed.is_behind(known):
        return verdicts.NOTHING
    return verdicts.blocked("older-copy", _sentence(given.address, known, observed), *_ways_out(given.address))


def found(
    given: DriftInput[ClusterSpec, ClusterObservation], expected: ClusterObservation, observed: ClusterObservation
) -> list[Finding]:
    """The finding of an older copy."""
    if not observed.is_behind(expected):
        return []
    ways = [way[0].lower() + way[1:].rstrip(".") for way in _ways_out(given.address)[:2]]
    return [
        verdicts.finding(
            given,
            "manifest-rolled-back",
            "manifest",
            expected=_mark(expected),
            observed=_mark(observed),
            fix="; or ".join(ways),
        )
    ]


def doubt(address: str, known: ClusterObservation | None, observed: ClusterObservation) -> tuple[str, str] | None:
    """What is wrong with an older copy, and what to do; None when it is not one."""
    if known is None or not observed.is_behind(known):
        return None
    return _sentence(address, known, observed), " ".join(_ways_out(address)[:2])


def require_newest(row: Recorded, services: Services) -> None:
    """StoreRolledBack when the cluster of a row is an older copy: what it answers would be an old story, and what is
    written to it would be lost when the newest is put back."""
    known = None if row.observed is None else ClusterObservation.model_validate_json(row.observed)
    warehouse, who = warehouse_provider(services, row.provider), caller(services, row.provider)
    for one in warehouse.describe_clusters(who, [name_of(row.attributes)]):
        told = doubt(row.address, known, observation_of(one))
        if told is not None:
            raise StoreRolledBack(told[0], address=row.address, suggestion=told[1])


def _ways_out(address: str) -> tuple[str, ...]:
    return (
        "Put the newest folder of its warehouse back, catalogue and key ring of the same moment.",
        f"Accept the older copy, and that what was written since is lost: `reconciler apply --refresh-only --target "
        f"{address}` records it as it is.",
        f"Or leave it as it is for now: `--exclude {address}`.",
    )


def _sentence(address: str, known: ClusterObservation, observed: ClusterObservation) -> str:
    return f"{address} is an older copy: it has {_mark(observed)}, and {_mark(known)} was seen of it"


def _mark(observation: ClusterObservation) -> str:
    mark = observation.manifest
    return "no manifest" if mark is None else f"manifest {mark.version:,} ({mark.tag[:8]})"
