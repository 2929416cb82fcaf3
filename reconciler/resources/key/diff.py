"""What differs about a key, and what it takes. Pure."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from reconciler.model.change import KNOWN_AFTER_APPLY, Action, DiffEntry, Impact, Operation, Step, Verb, Verdict
from reconciler.resources import verdicts
from reconciler.resources.key import replicas, steps
from reconciler.resources.key.material import SOON, first_import, material, refused
from reconciler.resources.key.observe import KeyObservation
from reconciler.resources.key.rotation import next_rotation, period_days, rotation
from reconciler.resources.key.spec import KeySpec
from reconciler.resources.kind import DiffInput
from reconciler.resources.reference import name_of

Given = DiffInput[KeySpec, KeyObservation]
ONE_CALL = Impact(key_service_calls=1)


def diff(given: Given) -> Verdict:
    """The operations that make the key what its manifest says."""
    if given.recorded is None or given.recorded.identity is None:
        return verdicts.NOTHING if given.desired is None else _create(given, given.desired)
    if given.desired is None:
        return _remove(given)
    if given.observed is None:
        return _lost(given)
    return _update(given, given.desired, given.observed)


def _create(given: Given, desired: KeySpec) -> Verdict:
    wrong = refused(given, desired)
    if wrong is not None:
        return wrong
    primary = desired.replica_of
    made: list[Step] = [
        _new_key(given, desired) if primary is None else replicas.replicate(given, desired, primary),
        *first_import(given, desired),
    ]
    if desired.rotation.every is not None:
        made.append(_set_period(given, period_days(desired)))
    if not desired.enabled:
        made.append(
            steps.DisableKey(
                id="disable",
                summary="disable it",
                address=given.address,
                provider=given.provider,
                accepts_outage=True,  # nothing is under a key that is being made
            )
        )
    if primary is not None:
        return replicas.created(given, primary, made)
    operation = Operation(
        verb=Verb.CREATE,
        reason="declared, and not there yet",
        steps=tuple(made),
        impact=Impact(key_service_calls=len(made)),
    )
    return verdicts.created(operation, diff=[DiffEntry(path="arn", before=None, after=KNOWN_AFTER_APPLY)])


def _new_key(given: Given, desired: KeySpec) -> steps.CreateKey:
    outside = ", for material from outside" if desired.origin == "EXTERNAL" else ""
    where = "" if desired.partition is None else f", in {desired.partition}"
    return steps.CreateKey(
        id="create-key",
        summary=f"create the key ({desired.key_spec}, {desired.key_usage}{outside}{where})",
        address=given.address,
        provider=given.provider,
        description=desired.description,
        key_spec=desired.key_spec,
        key_usage=desired.key_usage,
        multi_region=desired.multi_region,
        tags=dict(desired.tags),
        trigger=desired.rotation.trigger,
        origin=desired.origin,
        partition=desired.partition,
    )


def _remove(given: Given) -> Verdict:
    """A manifest that is gone and whose key may go: scheduled for deletion, never at once (KM1)."""
    recorded, observed, last = given.recorded, given.observed, given.last_spec
    if observed is None or recorded is None:
        return Verdict(action=Action.FORGET)
    if observed.is_going:
        return verdicts.NOTHING
    window = timedelta(days=30) if last is None else last.deletion_window
    step = steps.ScheduleKeyDeletion(
        id="schedule-deletion",
        summary=f"schedule its deletion in {window.days} days; until then it can be cancelled",
        address=given.address,
        provider=given.provider,
        waiting_days=window.days,
    )
    operation = Operation(
        verb=Verb.SCHEDULE_DELETION,
        reason=f"{given.removal_reason}, and nothing protects it",
        steps=(step,),
        impact=ONE_CALL,
        cuts_off=(observed.arn,),
        lets_go=(observed.arn,) if observed.is_replica else (),
    )
    return Verdict(action=Action.DELETE, operations=(operation,))


def _lost(given: Given) -> Verdict:
    """A key that is recorded and cannot be found is never silently made anew: what it opened would stay closed (I3)."""
    return verdicts.blocked(
        "key-missing",
        f"{given.address} is recorded, and the key service does not have it; a new key would open nothing that the "
        "old one sealed",
        "Check that `home` and the Provider's account and region are those that the key was made in.",
        "Put the key store back from a backup.",
        f"What does not need it, a cluster that is restored under another key, say, is applied with `--exclude "
        f"{given.address}`.",
        f"If it is truly lost: `reconciler state rm {given.address}` forgets it, and the next apply makes a new key.",
    )


def _update(given: Given, desired: KeySpec, observed: KeyObservation) -> Verdict:
    other = _replacement(given, desired, observed)
    if other is not None:
        return other
    settings = _settings(given, desired, observed)
    turn = rotation(given, desired, observed)
    return verdicts.together(
        verdicts.changed(_revival(given, observed), []),
        material(given, desired, observed),
        verdicts.changed(_enabling(given, desired, observed), []),
        Verdict(diff=tuple(_differing(desired, observed))),
        verdicts.changed(
            [
                Operation(
                    verb=Verb.UPDATE,
                    reason="its settings differ from its manifest",
                    steps=tuple(settings),
                    impact=Impact(key_service_calls=len(settings)),
                )
            ]
            if settings
            else [],
            [],
        ),
        replicas.family(given, desired, observed),
        Verdict(operations=(*turn.operations, *_disabling(given, desired, observed)), diff=turn.diff),
    )


def _replacement(given: Given, desired: KeySpec, observed: KeyObservation) -> Verdict | None:
    """The refusal of what only another key could be; None when nothing of that is asked for."""
    if desired.replica_of is not None:
        return None  # what its primary is, it is too
    fixed = verdicts.differences(
        {
            "spec.keySpec": (observed.key_spec, desired.key_spec),
            "spec.keyUsage": (observed.key_usage, desired.key_usage),
            "spec.multiRegion": (observed.multi_region, desired.multi_region),
            "spec.origin": (observed.origin, desired.origin),
            "spec.partition": (observed.partition, _partition(given, desired, observed)),
        }
    )
    if not fixed:
        return None
    return verdicts.blocked(
        "key-replacement",
        f"{', '.join(entry.path for entry in fixed)} cannot be changed on a key, and making it anew would lose "
        f"what {given.address} opens",
        "Declare a second Key with the new properties.",
        "Let clusters, tables and aliases name it, and apply: they switch.",
        "Remove this Key's manifest when nothing refers to it.",
    )


def _partition(given: Given, desired: KeySpec, observed: KeyObservation) -> str | None:
    """By its name there; a manifest that names none means the one that it is in."""
    if desired.partition is None:
        return observed.partition
    arn = given.arn_of(desired.partition)
    return KNOWN_AFTER_APPLY if arn is None else name_of({"id": arn})


def _differing(desired: KeySpec, observed: KeyObservation) -> list[DiffEntry]:
    pairs: dict[str, tuple[Any, Any]] = {
        "spec.enabled": (not observed.is_off, desired.enabled),
        "spec.description": (observed.description, desired.description),
        "spec.rotation.every": (_days(observed.rotation_period_days), _days(period_days(desired))),
        "spec.tags": (observed.tags, dict(desired.tags)),
    }
    if not _takes_period(desired, observed):
        del pairs["spec.rotation.every"]
    return verdicts.differences(pairs)


def _revival(given: Given, observed: KeyObservation) -> list[Operation]:
    if not observed.is_going:
        return []
    cancel = steps.CancelKeyDeletion(
        id="cancel-deletion", summary="cancel its deletion", address=given.address, provider=given.provider
    )
    reason = "it waits for deletion, and its manifest declares it"
    return [Operation(verb=Verb.CANCEL_DELETION, reason=reason, steps=(cancel,), impact=ONE_CALL)]


def _enabling(given: Given, desired: KeySpec, observed: KeyObservation) -> list[Operation]:
    """A key without its material cannot be enabled: it is once that is there."""
    if not desired.enabled or not observed.is_off or (observed.lacks_material and desired.material is None):
        return []
    enable = steps.EnableKey(id="enable", summary="enable it", address=given.address, provider=given.provider)
    return [
        Operation(verb=Verb.ENABLE, reason="it is disabled, and declared enabled", steps=(enable,), impact=ONE_CALL)
    ]


def _disabling(given: Given, desired: KeySpec, observed: KeyObservation) -> list[Operation]:
    """After everything else: a disabled key does not take a rotation period."""
    if desired.enabled or observed.is_off or (observed.lacks_material and desired.material is None):
        return []
    disable = steps.DisableKey(
        id="disable",
        summary="disable it",
        address=given.address,
        provider=given.provider,
        accepts_outage=given.accepts_outage,
    )
    return [
        Operation(
            verb=Verb.DISABLE,
            reason="it is declared disabled",
            steps=(disable,),
            impact=ONE_CALL,
            cuts_off=(observed.arn,),
        )
    ]


def _takes_period(desired: KeySpec, observed: KeyObservation) -> bool:
    """A disabled key takes none: it is set when the key is enabled again. A replica has that of its primary."""
    is_replica = desired.replica_of is not None or observed.is_replica
    return not is_replica and (desired.enabled or not observed.is_off)


def _settings(given: Given, desired: KeySpec, observed: KeyObservation) -> list[Step]:
    changes: list[Step] = []
    if observed.description != desired.description:
        changes.append(
            steps.DescribeAnew(
                id="describe",
                summary="set its description",
                description=desired.description,
                address=given.address,
                provider=given.provider,
            )
        )
    if _takes_period(desired, observed) and observed.rotation_period_days != period_days(desired):
        changes.append(_set_period(given, period_days(desired)))
    tags = dict(desired.tags)
    if observed.tags != tags:
        removed = tuple(sorted(observed.tags.keys() - tags.keys()))
        added = {name: value for name, value in tags.items() if observed.tags.get(name) != value}
        changes.append(
            steps.SetTags(
                id="tag",
                summary="set its tags",
                tags=added,
                removed=removed,
                address=given.address,
                provider=given.provider,
            )
        )
    return changes


def _set_period(given: Given, days: int | None) -> steps.SetRotationPeriod:
    return steps.SetRotationPeriod(
        id="rotation-period",
        summary="switch its automatic rotation off" if days is None else f"rotate it by itself every {days} days",
        address=given.address,
        provider=given.provider,
        period_days=days,
    )


def _days(days: int | None) -> str | None:
    return None if days is None else f"{days}d"


def due_at(spec: KeySpec, attributes: object, observed: KeyObservation | None) -> float | None:
    """When its next rotation is due, or its material is to be told of, as an epoch second."""
    if observed is None:
        return None
    expires = observed.material_expires_at
    moments = (next_rotation(spec, observed), None if expires is None else expires - SOON)
    return min((moment.timestamp() for moment in moments if moment is not None), default=None)
