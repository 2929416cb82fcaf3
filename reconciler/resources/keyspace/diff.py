"""What differs about a keyspace. Pure."""

from __future__ import annotations

from reconciler.model.change import KNOWN_AFTER_APPLY, Action, DiffEntry, Operation, Verb, Verdict
from reconciler.resources import verdicts
from reconciler.resources.keyspace import steps
from reconciler.resources.keyspace.observe import KeyspaceObservation
from reconciler.resources.keyspace.spec import KeyspaceSpec
from reconciler.resources.kind import DiffInput
from reconciler.resources.reference import name_of

Given = DiffInput[KeyspaceSpec, KeyspaceObservation]


def diff(given: Given) -> Verdict:
    """The operations that leave the declared keyspace."""
    recorded = given.recorded
    if recorded is None or recorded.identity is None:
        return verdicts.NOTHING if given.desired is None else _create(given, given.desired, "not there yet")
    name = name_of(recorded.attributes)
    if given.desired is None:
        if given.observed is None:
            return Verdict(action=Action.FORGET)
        step = steps.DeleteKeyspace(
            id="delete-keyspace",
            summary="remove the keyspace; it must be empty",
            address=given.address,
            provider=given.provider,
            keyspace=name,
        )
        return verdicts.deleted(step, reason=given.removal_reason)
    if given.observed is None:
        return _create(given, given.desired, "removed behind our back")
    if name != given.name:
        return verdicts.blocked(
            "keyspace-rename",
            f"the keyspace is {name}, and its manifest asks for {given.name}; its name is part of what its "
            "tables' keys are sealed with, and cannot be changed",
            f"Write `externalName: {name}`.",
            "Or declare a second Keyspace, and its tables anew.",
        )
    return _relabel(given, given.desired, str(recorded.attributes.get("replication", given.observed.replication)))


def _create(given: Given, desired: KeyspaceSpec, why: str) -> Verdict:
    step = steps.CreateKeyspace(
        id="create-keyspace",
        summary=f"create the keyspace {given.name}",
        address=given.address,
        provider=given.provider,
        keyspace=given.name,
        replication=desired.replication_class,
    )
    operation = Operation(verb=Verb.CREATE, reason=f"declared, and {why}", steps=(step,))
    return verdicts.created(operation, diff=[DiffEntry(path="arn", before=None, after=KNOWN_AFTER_APPLY)])


def _relabel(given: Given, desired: KeyspaceSpec, label: str) -> Verdict:
    if label == desired.replication_class:
        return verdicts.NOTHING
    step = steps.Relabel(
        id="relabel",
        summary=f"record {desired.replication_class} as its replication class",
        address=given.address,
        provider=given.provider,
        keyspace=given.name,
        replication=desired.replication_class,
    )
    operation = Operation(verb=Verb.UPDATE, reason="its replication class is another, which is a label", steps=(step,))
    entry = DiffEntry(path="spec.replicationClass", before=label, after=desired.replication_class)
    return verdicts.changed([operation], [entry])
