"""Another name for a cluster: declared with ``spec.renamedFrom``, never guessed (CONTRACT 1, SC3)."""

from __future__ import annotations

from reconciler.model.change import DiffEntry, Impact, Operation, Verb, Verdict
from reconciler.providers.data import RootKind
from reconciler.resources import verdicts
from reconciler.resources.cluster import steps
from reconciler.resources.cluster.observe import ClusterObservation
from reconciler.resources.cluster.spec import ClusterSpec
from reconciler.resources.cluster.status import RENAMING
from reconciler.resources.kind import DiffInput
from reconciler.resources.reference import name_of

Given = DiffInput[ClusterSpec, ClusterObservation]
_CALLS = 5  # is it usable, grant, canary there and back, re-wrap


def renaming(given: Given, observed: ClusterObservation) -> Verdict:
    """The rename that is declared, or was begun and is not over; one that is not declared is refused."""
    recorded = given.recorded_name
    present = name_of({"id": observed.arn})
    if recorded == given.name and present == given.name and observed.status != RENAMING:
        return verdicts.NOTHING
    # One that is called what its manifest says already only needs to be recorded so.
    if not given.is_renamed and present != given.name and observed.status != RENAMING:
        return _undeclared(given, present)
    step = steps.RenameCluster(
        id="rename",
        summary=f"rename it from {present} to {given.name}; keys are wrapped for the new name, data stay as they are",
        address=given.address,
        provider=given.provider,
        old=recorded,
        new=given.name,
        uid=observed.uid,
    )
    operation = Operation(
        verb=Verb.RENAME,
        reason=_reason(given, present, observed),
        steps=(step,),
        impact=Impact(key_service_calls=_CALLS if observed.root is RootKind.KMS else 0),
    )
    return verdicts.changed([operation], [DiffEntry(path="spec.externalName", before=present, after=given.name)])


def _reason(given: Given, present: str, observed: ClusterObservation) -> str:
    if observed.status == RENAMING:
        return "its renaming was begun and is not over"
    if present == given.name:
        return f"it is called {given.name} already, and recorded under another name"
    return f"its manifest says that it was {present}; whoever connects by that name no longer reaches it"


def _undeclared(given: Given, name: str) -> Verdict:
    return verdicts.blocked(
        "cluster-rename",
        f"the cluster is {name}, and its manifest asks for {given.name}; its name is part of what its keys are sealed "
        "with, so renaming is declared, not guessed",
        f"Write `externalName: {name}` to leave it as it is.",
        f"Or give the manifest another metadata.name too, with `renamedFrom: {given.address.name}`: it is renamed.",
    )
