"""What differs about a key, and what it takes. Pure."""

from __future__ import annotations

from datetime import timedelta

from reconciler.model.change import Action, DiffEntry, Impact, Operation, Step, Verb, Verdict
from reconciler.providers.keys import KeyState
from reconciler.resources import verdicts
from reconciler.resources.key import steps
from reconciler.resources.key.observe import KeyObservation
from reconciler.resources.key.rotation import next_rotation, period_days, rotation
from reconciler.resources.key.spec import KeySpec
from reconciler.resources.kind import DiffInput

Given = DiffInput[KeySpec, KeyObservation]
ONE_CALL = Impact(key_service_calls=1)


def diff(given: Given) -> Verdict:
    """The operations that make the key what its manifest says."""
    if given.recorded is None or given.recorded.identity is None:
        return NOTHING if given.desired is None else _create(given, given.desired)
    if given.desired is None:
        return _remove(given)
    if given.observed is None:
        return _lost(given)
    return _update(given, given.desired, given.observed)


NOTHING = verdicts.NOTHING


def _create(given: Given, desired: KeySpec) -> Verdict:
    made: list[Step] = [
        steps.CreateKey(
            id="create-key",
            summary=f"create the key ({desired.key_spec}, {desired.key_usage})",
            address=given.address,
            provider=given.provider,
            description=desired.description,
            key_spec=desired.key_spec,
            key_usage=desired.key_usage,
            multi_region=desired.multi_region,
            tags=dict(desired.tags),
            trigger=desired.rotation.trigger,
        )
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
    operation = Operation(
        verb=Verb.CREATE,
        reason="declared, and not there yet",
        steps=tuple(made),
        impact=Impact(key_service_calls=len(made)),
    )
    return verdicts.created(operation, diff=[DiffEntry(path="arn", before=None, after="(known after apply)")])


def _remove(given: Given) -> Verdict:
    """A manifest that is gone and whose key may go: scheduled for deletion, never at once (KM1)."""
    recorded, observed, last = given.recorded, given.observed, given.last_spec
    if observed is None or recorded is None:
        return Verdict(action=Action.FORGET)
    if observed.state == KeyState.PENDING_DELETION:
        return NOTHING
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
        f"If it is truly lost: `reconciler state rm {given.address}` forgets it, and the next apply makes a new key.",
    )


def _update(given: Given, desired: KeySpec, observed: KeyObservation) -> Verdict:
    fixed = verdicts.differences(
        {
            "spec.keySpec": (observed.key_spec, desired.key_spec),
            "spec.keyUsage": (observed.key_usage, desired.key_usage),
            "spec.multiRegion": (observed.multi_region, desired.multi_region),
        }
    )
    if fixed:
        return verdicts.blocked(
            "key-replacement",
            f"{', '.join(entry.path for entry in fixed)} cannot be changed on a key, and making it anew would lose "
            f"what {given.address} opens",
            "Declare a second Key with the new properties.",
            "Let clusters, tables and aliases name it, and apply: they switch.",
            "Remove this Key's manifest when nothing refers to it.",
        )
    operations = _revival(given, desired, observed)
    entries: list[DiffEntry] = verdicts.differences(
        {
            "spec.enabled": (observed.state == KeyState.ENABLED, desired.enabled),
            "spec.description": (observed.description, desired.description),
            "spec.rotation.every": (_days(observed.rotation_period_days), _days(period_days(desired))),
            "spec.tags": (observed.tags, dict(desired.tags)),
        }
    )
    if not _takes_period(desired, observed):
        entries = [entry for entry in entries if entry.path != "spec.rotation.every"]
    settings = _settings(given, desired, observed)
    if settings:
        operations.append(
            Operation(
                verb=Verb.UPDATE,
                reason="its settings differ from its manifest",
                steps=tuple(settings),
                impact=Impact(key_service_calls=len(settings)),
            )
        )
    turn = rotation(given, desired, observed)
    operations += [*turn.operations, *_disabling(given, desired, observed)]
    return verdicts.changed(operations, [*entries, *turn.diff])


def _revival(given: Given, desired: KeySpec, observed: KeyObservation) -> list[Operation]:
    operations: list[Operation] = []
    if observed.state == KeyState.PENDING_DELETION:
        cancel = steps.CancelKeyDeletion(
            id="cancel-deletion", summary="cancel its deletion", address=given.address, provider=given.provider
        )
        operations.append(
            Operation(
                verb=Verb.CANCEL_DELETION,
                reason="it waits for deletion, and its manifest declares it",
                steps=(cancel,),
                impact=ONE_CALL,
            )
        )
    if desired.enabled and observed.state != KeyState.ENABLED:
        enable = steps.EnableKey(id="enable", summary="enable it", address=given.address, provider=given.provider)
        operations.append(
            Operation(verb=Verb.ENABLE, reason="it is disabled, and declared enabled", steps=(enable,), impact=ONE_CALL)
        )
    return operations


def _disabling(given: Given, desired: KeySpec, observed: KeyObservation) -> list[Operation]:
    """After everything else: a disabled key does not take a rotation period."""
    if desired.enabled or observed.state != KeyState.ENABLED:
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
    """A disabled key takes none: it is set when the key is enabled again."""
    return desired.enabled or observed.state == KeyState.ENABLED


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
    """When its next rotation is due, as an epoch second."""
    when = None if observed is None else next_rotation(spec, observed)
    return None if when is None else when.timestamp()
