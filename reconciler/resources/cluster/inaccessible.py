"""A cluster whose root key is lost: until when it waits, what opens its backup, and the way out (RE8, RE14)."""

from __future__ import annotations

from datetime import datetime

from reconciler.model.change import Verdict
from reconciler.providers.warehouse import RootKeyState
from reconciler.resources import verdicts
from reconciler.resources.cluster.observe import ClusterObservation, InaccessibleObservation
from reconciler.resources.cluster.spec import ClusterSpec
from reconciler.resources.cluster.status import INACCESSIBLE
from reconciler.resources.kind import DiffInput

Given = DiffInput[ClusterSpec, ClusterObservation]

_CAUSES = {
    RootKeyState.USABLE: "can be used again",
    RootKeyState.DISABLED: "is disabled",
    RootKeyState.PENDING_DELETION: "is pending deletion",
    RootKeyState.ACCESS_REMOVED: "no longer lets the warehouse use it",
    RootKeyState.DESTROYED: "is destroyed",
}
_CURES = {
    RootKeyState.USABLE: "Run `reconciler apply`: the warehouse opens its keys again.",
    RootKeyState.DISABLED: "Enable {key} (a Key that is declared `enabled: true` is enabled by `reconciler apply`).",
    RootKeyState.PENDING_DELETION: "Cancel the deletion of {key} (`reconciler apply` does, while it is declared).",
    RootKeyState.ACCESS_REMOVED: "Let the warehouse use {key} again: policy and grants as they were.",
    RootKeyState.DESTROYED: "If there is a backup of the key store that has {key}, put that back.",
}


def held_up(given: Given, observed: ClusterObservation, wanted: Verdict) -> Verdict:
    """What becomes of a cluster's verdict while its root key is lost: nothing that needs its keys is begun, and the
    plan says what ends that."""
    if observed.status != INACCESSIBLE:
        return wanted
    ways = ways_out(given.name, observed, given.now)
    told = Verdict(warnings=(f"{given.address} is {words(observed, given.now)}. {' '.join(ways)}",))
    if not wanted.operations:
        return verdicts.together(wanted, told)
    verbs = ", ".join(dict.fromkeys(str(operation.verb) for operation in wanted.operations))
    refused = verdicts.blocked(
        "warehouse-inaccessible",
        f"{given.address} is {words(observed, given.now)}; nothing can be changed about it now ({verbs})",
        *ways,
    )
    return verdicts.together(wanted, refused)


def words(observed: ClusterObservation, now: datetime) -> str:
    """Since when, why, until when, and what opens its backup, as the end of "… is"."""
    known = observed.inaccessible
    if known is None:
        return f"{INACCESSIBLE}: its root key cannot be used; after 14 days its data are given up (RE8)"
    end = f"on {_day(known.deadline)} it is given up (RE8)"
    if now >= known.deadline:
        end = f"its time was over on {_day(known.deadline)}, and applies give it up (RE8) unless the key is back"
    return f"{INACCESSIBLE} since {_day(known.since)}: its root key {_CAUSES[known.cause]}; {end}, and {_backup(known)}"


def cure(observed: ClusterObservation, now: datetime) -> str:
    """What makes the key usable again, and by when."""
    known = observed.inaccessible
    key = observed.key_arn or "its root key"
    if known is None:
        return f"let {key} be used again within 14 days (RE8)"
    end = f" By {_day(known.deadline)}: after that it is given up."
    if now >= known.deadline:
        end = f" Before the next apply: its time was over on {_day(known.deadline)}."
    return f"{_CURES[known.cause].format(key=key)}{'' if known.cause is RootKeyState.USABLE else end}"


def ways_out(name: str, observed: ClusterObservation, now: datetime) -> tuple[str, ...]:
    """In order: the key back, else the sealed backup under another key."""
    known, first = observed.inaccessible, cure(observed, now)
    if known is None or known.backup is None:
        return (first,)
    restore = (
        f"Or restore its backup beside it: declare a second Cluster with `restoreFrom: {{arn: "
        f"{backup_arn(observed.arn, known.backup)}}}` and a root that can be used, and apply."
    )
    if known.escrow_arn is not None:
        return first, f"{restore} {known.escrow_arn} opens it."
    if known.cause is RootKeyState.DESTROYED:
        return (
            first,
            f"Else the data of {name} are unrecoverable: no escrow key was declared, and nothing but that key opens "
            f"its backup {known.backup} (RE14).",
        )
    return (first,)


def backup_arn(cluster_arn: str, backup: str) -> str:
    """The ARN of a cluster's own snapshot."""
    return f"{cluster_arn.replace(':cluster:', ':snapshot:')}/{backup}"


def given_up(given: Given, desired: ClusterSpec) -> Verdict | None:
    """What to do about a cluster that was inaccessible when it was last seen, and is gone by now: its time is over, its
    sealed backup stays. None: it was not."""
    last = _last_seen(given)
    if last is None:
        return None
    known, arn = last[1], last[2]
    end = f" until {_day(known.deadline)}, and was given up (RE8); its sealed backup stays"
    if given.now < known.deadline:
        end = f", and is gone before its time is over on {_day(known.deadline)}; its sealed backup may be there"
    opens = "its root key, if that can be used again" if known.escrow_arn is None else known.escrow_arn
    return verdicts.blocked(
        "data-missing",
        f"{given.address} was {INACCESSIBLE}{end}",
        f"Restore it: write `restoreFrom: {{arn: {arn}}}` and a root that can be used into its manifest, and apply. "
        f"What opens the backup is {opens}.",
        f"Or `reconciler state rm {given.address}` forgets it, and the next apply makes a new one, empty.",
    )


def in_its_backup(given: Given, desired: ClusterSpec) -> ClusterObservation | None:
    """The cluster as it was last seen, if it is to be made of the sealed backup that it had then, which has all of
    that: nothing about it changed while its root key was lost. None: it is made of something else."""
    last = _last_seen(given)
    source = None if desired.restore_from is None else given.arn_of(desired.restore_from)
    return last[0] if last is not None and last[2] == source else None


def _last_seen(given: Given) -> tuple[ClusterObservation, InaccessibleObservation, str] | None:
    """A cluster that was inaccessible when it was last seen, why, and the ARN of its sealed backup."""
    recorded = given.recorded
    if recorded is None or recorded.observed is None:
        return None
    observed = ClusterObservation.model_validate_json(recorded.observed)
    known = observed.inaccessible
    if known is None or known.backup is None:
        return None
    return observed, known, backup_arn(str(recorded.attributes["arn"]), known.backup)


def _backup(known: InaccessibleObservation) -> str:
    if known.backup is None:
        return "no backup of it was made: its data are unrecoverable without that key"
    if known.escrow_arn is not None:
        return f"its backup {known.backup} stays, which {known.escrow_arn} opens too"
    return f"its backup {known.backup} stays, unrecoverable without that key (RE14)"


def _day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
