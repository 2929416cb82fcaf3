"""What differs about a snapshot copy grant. Pure. A grant cannot be changed: it is replaced, while nothing copies
through it."""

from __future__ import annotations

from reconciler.model.change import KNOWN_AFTER_APPLY, Action, DiffEntry, Impact, Operation, Verb, Verdict
from reconciler.providers.data import RootKind
from reconciler.resources import verdicts
from reconciler.resources.kind import DiffInput
from reconciler.resources.snapshot_copy_grant import steps
from reconciler.resources.snapshot_copy_grant.observe import SnapshotCopyGrantObservation
from reconciler.resources.snapshot_copy_grant.spec import SnapshotCopyGrantSpec

Given = DiffInput[SnapshotCopyGrantSpec, SnapshotCopyGrantObservation]
ONE_CALL = Impact(key_service_calls=1)
_OWNED = "the owned key"


def diff(given: Given) -> Verdict:
    """The operations that leave exactly the declared grant."""
    recorded, observed = given.recorded, given.observed
    is_made = recorded is not None and recorded.identity is not None
    if given.desired is None:
        return _remove(given) if is_made else verdicts.NOTHING
    if not is_made or observed is None:
        reason = "it was removed behind our back" if is_made else "declared, and not there yet"
        operation = Operation(verb=Verb.CREATE, reason=reason, steps=(_create(given, given.desired),), impact=ONE_CALL)
        entry = DiffEntry(path="spec.key", before=None, after=_wanted(given, given.desired))
        return verdicts.created(operation, diff=[entry])
    return _compare(given, given.desired, observed)


def _remove(given: Given) -> Verdict:
    observed = given.observed
    if observed is None:
        return Verdict(action=Action.FORGET)
    return verdicts.deleted(_delete(given, is_last=True), reason=given.removal_reason, lets_go=observed.arn)


def _compare(given: Given, desired: SnapshotCopyGrantSpec, observed: SnapshotCopyGrantObservation) -> Verdict:
    if given.is_renamed and given.recorded_name != given.name:
        return verdicts.rename_refused(given, "snapshot copy grant", given.recorded_name)
    before = observed.key_arn or _OWNED
    entries = verdicts.differences(
        {
            "spec.externalName": (given.recorded_name, given.name),
            "spec.key": (before, _wanted(given, desired)),
        }
    )
    if not entries:
        return verdicts.NOTHING
    if desired.key is None and observed.root is not RootKind.OWNED:
        refused = verdicts.blocked(
            "silent-downgrade",
            f"its manifest names no key, and {given.address} is under {before}; a key is never taken away by omission",
            "Name the key again to leave it as it is.",
            "Or declare a second SnapshotCopyGrant without a key, let the SnapshotCopy name it, and remove this one.",
        )
        return verdicts.together(refused, Verdict(diff=tuple(entries)))
    return _replaced(given, desired, observed, entries, "it is not as its manifest says, and a grant cannot be changed")


def replace(given: Given) -> Verdict:
    """The grant removed and made anew, while nothing copies through it (``--replace``)."""
    verdict = diff(given)
    if verdict.operations or verdict.blocked or given.desired is None or given.observed is None:
        return verdict
    return _replaced(given, given.desired, given.observed, [], "--replace asks for it")


def _replaced(
    given: Given,
    desired: SnapshotCopyGrantSpec,
    observed: SnapshotCopyGrantObservation,
    entries: list[DiffEntry],
    why: str,
) -> Verdict:
    if observed.copying:
        refused = verdicts.blocked(
            "copying-through-grant",
            f"{', '.join(observed.copying)} copies through {given.address}, and a grant cannot be changed",
            "Declare a second SnapshotCopyGrant with the new key.",
            "Let the SnapshotCopy name it, and apply: copying is switched over.",
            f"Remove {given.address}.",
        )
        return verdicts.together(refused, Verdict(diff=tuple(entries)))
    replacement = Operation(
        verb=Verb.REPLACE,
        reason=f"{why}; nothing copies through it",
        steps=(_delete(given, is_last=False), _create(given, desired)),
        impact=Impact(key_service_calls=2),
        lets_go=(observed.arn,),
    )
    return Verdict(action=Action.REPLACE, operations=(replacement,), diff=tuple(entries))


def _wanted(given: Given, desired: SnapshotCopyGrantSpec) -> str:
    if desired.key is None:
        return _OWNED
    return given.arn_of(desired.key) or KNOWN_AFTER_APPLY


def _create(given: Given, desired: SnapshotCopyGrantSpec) -> steps.CreateCopyGrant:
    return steps.CreateCopyGrant(
        id="create-copy-grant",
        summary=f"let copies arrive under {_OWNED if desired.key is None else desired.key}",
        address=given.address,
        provider=given.provider,
        grant=given.name,
        key=desired.key,
    )


def _delete(given: Given, *, is_last: bool) -> steps.DeleteCopyGrant:
    return steps.DeleteCopyGrant(
        id="delete-copy-grant",
        summary="remove the grant; copies that arrived stay",
        address=given.address,
        provider=given.provider,
        grant=given.recorded_name,
        is_last=is_last,
    )
