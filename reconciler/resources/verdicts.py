"""Shorthand for the verdicts that every kind gives, so that their words are the same everywhere."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from reconciler.model.address import Address
from reconciler.model.article import a
from reconciler.model.change import Action, Block, DiffEntry, Impact, Operation, Step, Verb, Verdict
from reconciler.model.plan import Finding
from reconciler.resources.kind import DataObservation, DiffInput, DriftInput, O, Observation, S

D = TypeVar("D", bound=DataObservation)

NOTHING = Verdict()


def created(*operations: Operation, diff: Iterable[DiffEntry] = ()) -> Verdict:
    """The resource is made."""
    return Verdict(action=Action.CREATE, operations=operations, diff=tuple(diff))


def changed(operations: Iterable[Operation], diff: Iterable[DiffEntry]) -> Verdict:
    """The resource is changed in place; no operations: nothing to do."""
    done = tuple(operations)
    return Verdict(action=Action.UPDATE, operations=done, diff=tuple(diff)) if done else NOTHING


def deleted(*steps: Step, reason: str, lets_go: str | None = None) -> Verdict:
    """The resource is removed."""
    operation = Operation(
        verb=Verb.DELETE, reason=reason, steps=steps, impact=Impact(), lets_go=(lets_go,) if lets_go else ()
    )
    return Verdict(action=Action.DELETE, operations=(operation,))


def replaced(steps: tuple[Step, ...], *, calls: int) -> Verdict:
    """The resource is made anew because ``--replace`` names it."""
    operation = Operation(
        verb=Verb.REPLACE, reason="--replace asks for it", steps=steps, impact=Impact(key_service_calls=calls)
    )
    return Verdict(action=Action.REPLACE, operations=(operation,))


def blocked(guard: str, reason: str, *way_out: str, action: Action = Action.NOOP) -> Verdict:
    """A guard refuses (CONTRACT 5)."""
    return Verdict(action=action, blocked=(Block(guard=guard, reason=reason, way_out=way_out),))


def together(*parts: Verdict) -> Verdict:
    """An existing resource's verdict out of those on its aspects, in the order of their operations. A refusal of one
    aspect holds the others back too: half of what a manifest says is not what it says."""
    refused = tuple(block for part in parts for block in part.blocked)
    entries = tuple(entry for part in parts for entry in part.diff)
    warnings = tuple(warning for part in parts for warning in part.warnings)
    if refused:
        return Verdict(blocked=refused, diff=entries, warnings=warnings)
    operations = tuple(operation for part in parts for operation in part.operations)
    action = Action.UPDATE if operations else Action.NOOP
    return Verdict(action=action, operations=operations, diff=entries if operations else (), warnings=warnings)


def of_data(
    given: DiffInput[S, D],
    what: str,
    *,
    create: Callable[[DiffInput[S, D], S], Verdict],
    remove: Callable[[DiffInput[S, D], D], Verdict],
    lost: Callable[[], Verdict],
    compare: Callable[[DiffInput[S, D], S, D], Verdict],
) -> Verdict:
    """The verdict on an object that holds data: ``lost`` answers where it is recorded and not there, and to another
    object that stands in its place nothing is done (I17)."""
    desired, recorded, observed = given.desired, given.recorded, given.observed
    if recorded is None or recorded.identity is None:
        return NOTHING if desired is None else create(given, desired)
    is_other = observed is not None and recorded.attributes.get("uid", observed.uid) != observed.uid
    if desired is None:
        return Verdict(action=Action.FORGET) if observed is None or is_other else remove(given, observed)
    if observed is None:
        return lost()
    return _other_object(given.address, what) if is_other else compare(given, desired, observed)


def rename_refused(given: DiffInput[S, O], what: str, name: str) -> Verdict:
    """A rename that was declared, of an object whose name nobody can change."""
    return blocked(
        "rename",
        f"{given.address} is called {name} at its provider, where {a(what)} cannot get another name",
        f"Write `externalName: {name}`: then only its address changes.",
        f"Or declare a second {given.address.kind}, and remove this one when nothing needs it any more.",
    )


def data_missing(address: Address, what: str, *way_out: str) -> Verdict:
    """Data that are recorded and not there are never silently made anew, empty (I17)."""
    return blocked(
        "data-missing",
        f"{address} is recorded, and {what} does not have it; made anew it would be empty",
        "Check that `home` and the Provider's account and region are those that it was made in.",
        *way_out,
        f"If it is truly lost: `reconciler state rm {address}` forgets it, and the next apply makes a new one.",
    )


def keys_lost(given: DiffInput[Any, Any], stores: str) -> Verdict:
    """Data that are there, and whose wrapped keys are not: nothing can be changed about them but to let them go."""
    lost = f"{given.address} is there, and its wrapped keys are not: no key opens it as it is"
    if given.desired is not None and given.desired.lifecycle.prevent_destroy is False:
        return Verdict(warnings=(f"{lost}. Remove its manifest and apply, and what is left of it goes.",))
    return blocked(
        "keys-lost",
        lost,
        f"Put {stores} back from one backup, both files of the same moment.",
        "If they are truly lost: write `lifecycle: {preventDestroy: false}` into its manifest, and apply.",
        "Then remove its manifest, and apply: what is left of it goes.",
    )


def _other_object(address: Address, what: str) -> Verdict:
    """Something of that name is there, and it is not what we made (I17)."""
    return blocked(
        "other-object",
        f"another {what} of that name stands where {address} was made; nothing of it is changed",
        "Give one of them another name: `spec.externalName` names the object at its provider.",
        f"Or `reconciler state rm {address}` to forget the one that is gone.",
    )


def differences(pairs: Mapping[str, tuple[Any, Any]]) -> list[DiffEntry]:
    """The (before, after) pairs that differ, as diff entries in the order given."""
    return [
        DiffEntry(path=path, before=before, after=after) for path, (before, after) in pairs.items() if before != after
    ]


def missing(
    given: DriftInput[Any, Any],
    *,
    drift_class: str = "resource-missing",
    fix: str = "`reconciler apply` makes it again",
) -> Finding:
    """What was there is gone."""
    return Finding(
        address=given.address,
        drift_class=drift_class,
        path="id",
        expected=given.recorded.identity,
        observed=None,
        fix=fix,
        observed_at=given.now,
    )


def finding(
    given: DriftInput[Any, Any], drift_class: str, path: str, *, expected: Any, observed: Any, fix: str
) -> Finding:
    """One field that is not as it was left."""
    return Finding(
        address=given.address,
        drift_class=drift_class,
        path=path,
        expected=expected,
        observed=observed,
        fix=fix,
        observed_at=given.now,
    )


def changed_attributes(given: DriftInput[Any, Any], *, besides: Iterable[str] = ()) -> list[Finding]:
    """``attribute-changed`` for each field of the observation that moved, ``besides`` those that have a class of
    their own."""
    if given.expected is None or given.observed is None:
        return []
    skipped = set(besides)
    before, now = _fields(given.expected), _fields(given.observed)
    return [
        finding(
            given,
            "attribute-changed",
            name,
            expected=before[name],
            observed=now[name],
            fix="`reconciler apply` sets it as declared",
        )
        for name in before
        if name not in skipped and before[name] != now[name]
    ]


def _fields(observation: Observation) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(observation.model_dump_json())
    return loaded


def label(address: Address) -> str:
    """How a step's summary names its resource."""
    return f"{address.kind} {address.name}"
