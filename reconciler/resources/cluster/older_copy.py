"""An older copy of a whole warehouse, authentic in itself: told by how far the state has seen its clusters come (I16).

Nothing is changed about such a cluster, and no statement goes to it, until its newest folder is put back or the older
one accepted by name: ``--refresh-only`` records what is there, and the journal says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress

from reconciler.errors import ReconcilerError, StoreRolledBack
from reconciler.model.address import Address
from reconciler.model.change import Verdict
from reconciler.model.plan import Finding
from reconciler.model.ports import Services
from reconciler.model.readdress import MARK
from reconciler.model.recorded import Recorded
from reconciler.resources import verdicts
from reconciler.resources.cluster.observe import ClusterObservation, observe
from reconciler.resources.cluster.spec import ClusterSpec
from reconciler.resources.kind import DiffInput, DriftInput, Target


def refused(given: DiffInput[ClusterSpec, ClusterObservation], observed: ClusterObservation) -> Verdict:
    """The guard's answer, if the cluster is an older copy."""
    row = given.recorded
    if row is None or row.observed is None or not observed.is_older_copy:
        return verdicts.NOTHING
    name = row.attributes.get(MARK)  # it is to be renamed, and recorded under the name that it has
    address = given.address if name is None else Address.of(given.address.kind, str(name))
    return verdicts.blocked(
        "older-copy",
        _sentence(given.address, ClusterObservation.model_validate_json(row.observed), observed),
        *_ways_out(address),
        f"Or leave it as it is for now: `--exclude {given.address}`.",
    )


def removed(given: DiffInput[ClusterSpec, ClusterObservation], observed: ClusterObservation) -> tuple[str, ...]:
    """What is said when it goes, if it is one."""
    return tuple(f"{block.reason}. The newest is not what goes." for block in refused(given, observed).blocked)


def found(
    given: DriftInput[ClusterSpec, ClusterObservation], expected: ClusterObservation, observed: ClusterObservation
) -> list[Finding]:
    """The finding of an older copy."""
    if not observed.is_older_copy:
        return []
    fix = "; ".join(way[0].lower() + way[1:].rstrip(".") for way in _ways_out(given.address))
    return [
        verdicts.finding(
            given,
            "manifest-rolled-back",
            "manifest",
            expected=str(expected.manifest),
            observed=_words(expected, observed),
            fix=fix,
        )
    ]


def among(rows: Iterable[Recorded], services: Services) -> dict[Address, StoreRolledBack]:
    """Which recorded clusters are older copies, each with the error that says so. A provider that cannot be asked says
    nothing: whoever needs it hears why."""
    by_provider: dict[str, list[Target]] = {}
    for row in rows:
        if row.address.kind == "Cluster" and row.observed is not None:
            by_provider.setdefault(row.provider, []).append(target_of(row))
    told: dict[Address, StoreRolledBack] = {}
    for targets in by_provider.values():
        with suppress(ReconcilerError):
            told.update(doubts(targets, services))
    return told


def target_of(row: Recorded) -> Target:
    """What is recorded of a cluster, to be compared."""
    return Target(address=row.address, provider=row.provider, attributes=row.attributes, observed=row.observed)


def doubts(targets: Sequence[Target], services: Services) -> dict[Address, StoreRolledBack]:
    """Those of the clusters that are older copies, each with the error that says so: what one answers would be an old
    story, and what is written to it would be lost when the newest is put back."""
    known = {target.address: target.observed for target in targets if target.observed is not None}
    told = {}
    for address, seen in observe(targets, services).items():
        if seen is not None and seen.is_older_copy:
            before = ClusterObservation.model_validate_json(known[address])
            way_out = " ".join(_ways_out(address))
            told[address] = StoreRolledBack(_sentence(address, before, seen), address=address, suggestion=way_out)
    return told


def _ways_out(address: str) -> tuple[str, ...]:
    return (
        "Put the newest folder of its warehouse back, catalogue and key ring of the same moment.",
        f"Or accept the older copy, and that what was written since is lost: `reconciler apply --refresh-only --target "
        f"{address}` records it as it is.",
    )


def _sentence(address: str, known: ClusterObservation, observed: ClusterObservation) -> str:
    return f"{address} is an older copy: it has {_words(known, observed)}, and {known.manifest} was seen of it"


def _words(known: ClusterObservation, observed: ClusterObservation) -> str:
    went_on = (
        known.manifest is not None
        and observed.manifest is not None
        and observed.manifest.version > known.manifest.version
    )
    return f"{observed.manifest}, to which it came on another way" if went_on else str(observed.manifest)
