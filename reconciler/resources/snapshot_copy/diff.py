"""What differs about a cluster's copying. Pure."""

from __future__ import annotations

from typing import Any

from reconciler.model.change import KNOWN_AFTER_APPLY, Action, DiffEntry, Impact, Operation, Verb, Verdict
from reconciler.resources import verdicts
from reconciler.resources.kind import DiffInput
from reconciler.resources.reference import name_of
from reconciler.resources.snapshot_copy import steps
from reconciler.resources.snapshot_copy.cluster_root import downgrade_refused, is_being_encrypted, is_being_renamed
from reconciler.resources.snapshot_copy.observe import SnapshotCopyObservation, UncopiedSnapshot
from reconciler.resources.snapshot_copy.spec import SnapshotCopySpec

Given = DiffInput[SnapshotCopySpec, SnapshotCopyObservation]
_CALLS_A_COPY = 3  # open with the source's root, make a key under the destination's, open that to verify


def diff(given: Given) -> Verdict:
    """The operations that leave copying as declared, and nothing uncopied."""
    recorded, observed = given.recorded, given.observed
    is_made = recorded is not None and recorded.identity is not None
    if given.desired is None:
        return _remove(given) if is_made else verdicts.NOTHING
    refused = downgrade_refused(given, given.desired)
    if refused is not None:
        return Verdict(blocked=(refused,))
    if not is_made or observed is None:
        reason = "copying was switched off behind our back" if is_made else "declared, and not on yet"
        entries = [
            DiffEntry(path=path, before=None, after=after) for path, after in _wanted(given, given.desired).items()
        ]
        return verdicts.created(*_switch_on(given, given.desired, reason), diff=entries)
    return _changed(given, given.desired, observed)


def _changed(given: Given, desired: SnapshotCopySpec, observed: SnapshotCopyObservation) -> Verdict:
    if observed.inaccessible:
        return _held_up(given, desired, observed)
    if is_being_renamed(given, desired):
        return _around_rename(given, desired)
    differing = _differing(given, desired, observed)
    if differing:
        reason = "copying cannot be changed; it is switched off and on again"
        off = Operation(verb=Verb.DISABLE_COPY, reason=reason, steps=(_disable(given, is_last=False),))
        on = _switch_on(given, desired, "with what its manifest says now")
        return verdicts.changed([off, *on], differing)
    copies = verdicts.changed(_copies(given, desired, observed), [])
    return verdicts.together(copies, Verdict(warnings=_withheld(desired, observed)))


def replace(given: Given) -> Verdict:
    """Copying off and on again (``--replace``); copies that arrived stay."""
    verdict = diff(given)
    if verdict.blocked or given.desired is None or verdict.action is Action.CREATE:
        return verdict
    off = Operation(verb=Verb.DISABLE_COPY, reason="--replace asks for it", steps=(_disable(given, is_last=False),))
    on = _switch_on(given, given.desired, "with what its manifest says")
    return Verdict(action=Action.REPLACE, operations=(off, *on), diff=verdict.diff)


def _around_rename(given: Given, desired: SnapshotCopySpec) -> Verdict:
    """Off, then the cluster's rename, then on again under its new name (SC3)."""
    renamed = desired.cluster.address
    off = Operation(
        verb=Verb.DISABLE_COPY,
        reason=f"{desired.cluster} is to be renamed, which copying does not allow (SC3)",
        steps=(_disable(given, is_last=False),),
        waits_for_references=False,
        before=() if renamed is None else (renamed,),
    )
    on = _switch_on(given, desired, f"{desired.cluster} has its new name; copying goes on (SC3)")
    return verdicts.changed([off, *on], [])


def _held_up(given: Given, desired: SnapshotCopySpec, observed: SnapshotCopyObservation) -> Verdict:
    """Without its root key nothing of a cluster is copied, and its copying stays as it is (RE8)."""
    text = f"The root key of {desired.cluster} is lost: none of its snapshots is copied until that is back (RE8)"
    differing = _differing(given, desired, observed)
    if not differing:
        return Verdict(warnings=(f"{text}.",))
    refused = verdicts.blocked(
        "warehouse-inaccessible",
        f"{text}, and its copying cannot be changed",
        f"Let its root key be used again; the plan says of {desired.cluster} how.",
    )
    return verdicts.together(refused, Verdict(diff=tuple(differing)))


def _withheld(desired: SnapshotCopySpec, observed: SnapshotCopyObservation) -> tuple[str, ...]:
    if not observed.withheld:
        return ()
    return (
        f"{', '.join(observed.withheld)} stays in its Region: it was taken while {desired.cluster} was encrypted, and "
        f"without encryption nothing vouches for the key that it would be copied under. It is copied when "
        f"{desired.cluster} is encrypted again.",
    )


def _remove(given: Given) -> Verdict:
    if given.observed is None:
        return Verdict(action=Action.FORGET)
    disable = _disable(given, is_last=True)
    if not given.takes_data or not given.observed.copies:
        operation = Operation(verb=Verb.DISABLE_COPY, reason=given.removal_reason, steps=(disable,))
        return Verdict(action=Action.DELETE, operations=(operation,))
    copies = given.observed.copies
    recorded = {} if given.recorded is None else given.recorded.attributes
    delete = steps.DeleteCopies(
        id="delete-copies",
        summary=f"delete the copies that it made: {', '.join(copy.name for copy in copies)}",
        reversible=False,
        address=given.address,
        provider=given.provider,
        to=str(recorded["to"]),
        copies=tuple(copy.name for copy in copies),
        uids=tuple(copy.uid for copy in copies),
    )
    operation = Operation(
        verb=Verb.DELETE,
        reason=given.removal_reason,
        steps=(delete, disable),
        lets_go=tuple(copy.arn for copy in copies),
    )
    return Verdict(action=Action.DELETE, operations=(operation,))


def _wanted(given: Given, desired: SnapshotCopySpec) -> dict[str, Any]:
    grant: str | None = None
    if desired.grant is not None:
        target = given.resolve(desired.grant)
        grant = KNOWN_AFTER_APPLY if target is None else name_of(target)
    return {
        "spec.cluster": given.arn_of(desired.cluster) or KNOWN_AFTER_APPLY,
        "spec.to": desired.to.name,
        "spec.grant": grant,
        "spec.retention": f"{desired.retention.days}d",
    }


def _differing(given: Given, desired: SnapshotCopySpec, observed: SnapshotCopyObservation) -> list[DiffEntry]:
    recorded = {} if given.recorded is None else given.recorded.attributes
    has = {
        "spec.cluster": recorded.get("arn"),
        # A Provider's Region does not change; copying that goes elsewhere now was redirected behind our back.
        "spec.to": recorded.get("to") if recorded.get("region") == observed.region else observed.region,
        "spec.grant": observed.grant_name,
        "spec.retention": f"{observed.retention_days}d",
    }
    wanted = _wanted(given, desired)
    return verdicts.differences({path: (has[path], wanted[path]) for path in wanted})


def _switch_on(given: Given, desired: SnapshotCopySpec, reason: str) -> list[Operation]:
    days, grant = desired.retention.days, "the owned key there" if desired.grant is None else str(desired.grant)
    enable = steps.EnableCopy(
        id="enable-copy",
        summary=f"copy snapshots of {desired.cluster} to {desired.to}, under {grant}, kept for {days} days",
        address=given.address,
        provider=given.provider,
        cluster=desired.cluster,
        to=str(desired.to.name),
        grant=desired.grant,
        retention_days=desired.retention.days,
    )
    return [
        Operation(verb=Verb.ENABLE_COPY, reason=reason, steps=(enable,)),
        _copy_all(given, desired, "copying starts with the snapshots that are there"),
    ]


def _copies(given: Given, desired: SnapshotCopySpec, observed: SnapshotCopyObservation) -> list[Operation]:
    """One operation for each snapshot that has not arrived, and one for those that this plan takes."""
    operations = [_copy_one(given, desired, snapshot) for snapshot in observed.uncopied]
    arriving = given.arriving(desired.cluster)
    if arriving:
        verb = "is" if len(arriving) == 1 else "are"
        operations.append(_copy_all(given, desired, f"{', '.join(arriving)} {verb} taken by this plan"))
    elif is_being_encrypted(given, desired, observed):
        reason = f"the encryption of {desired.cluster} ends with a first snapshot (RE10)"
        operations.append(_copy_all(given, desired, reason))
    return operations


def _copy_one(given: Given, desired: SnapshotCopySpec, snapshot: UncopiedSnapshot) -> Operation:
    step = steps.CopySnapshots(
        id=f"copy-{snapshot.name}",
        summary=f"copy {snapshot.name} to {desired.to}, and verify it there",
        address=given.address,
        provider=given.provider,
        cluster=desired.cluster,
        to=str(desired.to.name),
        snapshots=(snapshot.name,),
    )
    return Operation(
        verb=Verb.COPY_SNAPSHOT,
        reason=f"snapshot {snapshot.name} has not arrived",
        steps=(step,),
        impact=Impact(bytes=snapshot.bytes, key_service_calls=_CALLS_A_COPY),
    )


def _copy_all(given: Given, desired: SnapshotCopySpec, reason: str) -> Operation:
    step = steps.CopySnapshots(
        id="copy-snapshots",
        summary=f"copy every snapshot of {desired.cluster} that has not arrived, and verify it there",
        address=given.address,
        provider=given.provider,
        cluster=desired.cluster,
        to=str(desired.to.name),
    )
    return Operation(
        verb=Verb.COPY_SNAPSHOT, reason=reason, steps=(step,), impact=Impact(key_service_calls=_CALLS_A_COPY)
    )


def _disable(given: Given, *, is_last: bool) -> steps.DisableCopy:
    recorded = {} if given.recorded is None else given.recorded.attributes
    return steps.DisableCopy(
        id="disable-copy",
        summary="copy no longer; copies that arrived stay",
        address=given.address,
        provider=given.provider,
        cluster=str(recorded["cluster"]),
        is_last=is_last,
    )
