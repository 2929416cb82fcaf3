"""When a cluster's keys are rotated: by a changed trigger, or because the period is over (RO1, CONTRACT 1)."""

from __future__ import annotations

from datetime import datetime

from reconciler.model.change import Availability, Impact, Operation, Verb, Verdict
from reconciler.providers.data import RootKind
from reconciler.resources import verdicts
from reconciler.resources.cluster import steps
from reconciler.resources.cluster.observe import ClusterObservation
from reconciler.resources.cluster.root import declared_root
from reconciler.resources.cluster.spec import ClusterSpec
from reconciler.resources.cluster.status import ROTATING
from reconciler.resources.kind import DiffInput
from reconciler.resources.rotation_cause import Cause, cause


def next_rotation(desired: ClusterSpec, observed: ClusterObservation) -> datetime | None:
    """When the next rotation by age is due; making the keys anew for any reason restarts the period."""
    every = None if desired.encryption is None else desired.encryption.rotation.every
    return None if every is None or observed.rotated_at is None else observed.rotated_at + every


def rotation(
    given: DiffInput[ClusterSpec, ClusterObservation], desired: ClusterSpec, observed: ClusterObservation
) -> Verdict:
    """The rotation that is called for now, or was begun and is not over. A cluster that is being encrypted in this plan
    gets every key anew by that."""
    wanted = declared_root(desired)
    if not observed.is_encrypted or (wanted is not None and wanted.kind is RootKind.NONE):
        return verdicts.NOTHING
    trigger = None if desired.encryption is None else desired.encryption.rotation.trigger
    why = cause(given, trigger, next_rotation(desired, observed), path="spec.encryption.rotation.trigger")
    if why is None and observed.status == ROTATING:
        why = Cause("its rotation was begun and is not over")
    if why is None:
        return verdicts.NOTHING
    step = steps.RotateKeys(
        id="rotate",
        summary="have its partition make new cluster keys for it and its snapshots; data stay as they are"
        if observed.root is RootKind.HSM
        else "make new keys for it and its snapshots; data stay as they are",
        address=given.address,
        provider=given.provider,
        from_dek=observed.dek_id,
        trigger=trigger,
    )
    operation = Operation(
        verb=Verb.ROTATE,
        reason=why.reason,
        steps=(step,),
        impact=Impact(availability=Availability.READ_ONLY, key_service_calls=0 if observed.root is RootKind.HSM else 2),
    )
    return verdicts.changed([operation], why.shown)
