"""What differs about a multi-Region key's part in its family: primary, or replica of which. Pure."""

from __future__ import annotations

from typing import Final

from reconciler.model.change import KNOWN_AFTER_APPLY, Action, DiffEntry, Impact, Operation, Step, Verb, Verdict
from reconciler.providers.keys import KeyState
from reconciler.resources import verdicts
from reconciler.resources.key.observe import KeyObservation
from reconciler.resources.key.replica_steps import HandOver, ReplicateKey
from reconciler.resources.key.spec import KeySpec
from reconciler.resources.kind import DiffInput
from reconciler.resources.reference import Reference

Given = DiffInput[KeySpec, KeyObservation]
_MULTI_REGION: Final = ":key/mrk-"


def replicate(given: Given, desired: KeySpec, primary: Reference) -> ReplicateKey:
    """The step that makes the replica."""
    return ReplicateKey(
        id="replicate-key",
        summary=f"make a replica of {primary} in the Region of Provider/{given.provider}",
        address=given.address,
        provider=given.provider,
        primary=primary,
        description=desired.description,
        tags=dict(desired.tags),
    )


def created(given: Given, primary: Reference, made: list[Step]) -> Verdict:
    """A replica that is not there yet."""
    refused = unfit_primary(given, primary)
    if refused is not None:
        return refused
    operation = Operation(
        verb=Verb.REPLICATE_KEY,
        reason=f"declared as a replica of {primary}, and not there yet",
        steps=tuple(made),
        impact=Impact(key_service_calls=len(made)),
    )
    return verdicts.created(operation, diff=[DiffEntry(path="arn", before=None, after=KNOWN_AFTER_APPLY)])


def unfit_primary(given: Given, primary: Reference) -> Verdict | None:
    """The refusal of a primary that can have no replica; None when it may have one."""
    declared, arn = given.declared(primary), given.arn_of(primary)
    wrong = None
    if isinstance(declared, KeySpec) and declared.replica_of is not None:
        wrong = f"{primary} is itself a replica of {declared.replica_of}"
    elif isinstance(declared, KeySpec) and not declared.multi_region:
        wrong = f"{primary} is not a multi-Region key"
    elif arn is not None and _MULTI_REGION not in arn:
        wrong = f"{primary} ({arn}) is not a multi-Region key"
    if wrong is None:
        return None
    return verdicts.blocked(
        "replica",
        f"{given.address} is to be a replica of {primary}, and {wrong}",
        "A key is made multi-Region when it is created: declare another Key with `multiRegion: true`, and name that.",
        "A replica is made of the primary, never of another replica.",
        action=Action.CREATE,
    )


def family(given: Given, desired: KeySpec, observed: KeyObservation) -> Verdict:
    """Whether the key is primary or replica as declared. A primary that is declared a replica of one of its replicas
    hands over to that; a key of another family cannot come in."""
    primary = desired.replica_of
    if primary is None:
        if not (desired.multi_region and observed.is_replica):
            return verdicts.NOTHING
        told = (
            f"{given.address} is a replica of {observed.primary_arn} until the manifest of that one says `replicaOf: "
            f"{given.address.name}`: then it is handed over"
        )
        return Verdict(warnings=(told,))
    arn = given.arn_of(primary)
    if arn is None or arn.rpartition("/")[2] != observed.arn.rpartition("/")[2] or not observed.multi_region:
        return verdicts.blocked(
            "key-replacement",
            f"{given.address} is {_part(observed)}, and its manifest makes it a replica of {primary}; no key becomes a "
            "replica of another",
            f"Declare a second Key with `replicaOf: {primary.name or primary}`, and let aliases and data switch.",
            f"Remove {given.address} when nothing refers to it.",
        )
    if observed.is_replica:  # of that one, or of a third one, which hands over
        is_under_way = observed.primary_arn == arn and observed.state == KeyState.UPDATING
        return _handed_over(given, primary, "it was being handed over", []) if is_under_way else verdicts.NOTHING
    shown = DiffEntry(path="spec.replicaOf", before=None, after=arn)
    return _handed_over(given, primary, f"it is the primary, and declared a replica of {primary}", [shown])


def _handed_over(given: Given, successor: Reference, reason: str, shown: list[DiffEntry]) -> Verdict:
    step = HandOver(
        id="hand-over",
        summary=f"let {successor} be the primary",
        address=given.address,
        provider=given.provider,
        successor=successor,
    )
    operation = Operation(verb=Verb.UPDATE, reason=reason, steps=(step,), impact=Impact(key_service_calls=1))
    return verdicts.changed([operation], shown)


def _part(observed: KeyObservation) -> str:
    if observed.is_replica:
        return f"a replica of {observed.primary_arn}"
    return "a multi-Region primary" if observed.multi_region else "a key of one Region"
