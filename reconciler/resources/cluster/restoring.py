"""A cluster that is made of a snapshot (RE11): once, when it is made."""

from __future__ import annotations

from reconciler.model.change import Verdict
from reconciler.resources import verdicts
from reconciler.resources.cluster.observe import ClusterObservation
from reconciler.resources.cluster.spec import ClusterSpec
from reconciler.resources.kind import DiffInput

Given = DiffInput[ClusterSpec, ClusterObservation]


def restoring(given: Given, desired: ClusterSpec) -> Verdict:
    """Why a cluster that is there is not made of the snapshot that its manifest names; nothing where it was."""
    if not is_asked_anew(given, desired):
        return verdicts.NOTHING
    return verdicts.blocked(
        "restore-in-place",
        f"{given.address} is there, and was not made of {desired.restore_from}; restored in its place, what it holds "
        "would be lost",
        "Declare a second Cluster with this `restoreFrom`, and apply: it gets the snapshot's tables.",
        "Take over from it what is needed, or let it take the first one's place.",
        "Or take the line `restoreFrom` away.",
    )


def is_asked_anew(given: Given, desired: ClusterSpec) -> bool:
    """Whether its manifest names another snapshot than the one that it was made of. One that is gone, after it was made
    of it, is no other."""
    wanted = desired.restore_from
    if wanted is None:
        return False
    made_of = None if given.recorded is None else given.recorded.attributes.get("restored_from")
    arn = given.arn_of(wanted)
    return (arn is None and made_of is None) or (arn is not None and made_of not in (arn, str(wanted)))
