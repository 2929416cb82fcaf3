"""What becomes of retired cluster keys where the manifest says ``retiredKeys: destroy`` (RO1). Pure: whether something
stored still names one is part of what was observed."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.model.change import DiffEntry, Operation, Verb, Verdict
from reconciler.resources import verdicts
from reconciler.resources.hsm_partition.need import unknown_need
from reconciler.resources.hsm_partition.observe import HsmPartitionObservation
from reconciler.resources.hsm_partition.retired_steps import STEP, DestroyRetiredKeys
from reconciler.resources.hsm_partition.spec import HsmPartitionSpec
from reconciler.resources.kind import DiffInput


def retired(
    given: DiffInput[HsmPartitionSpec, HsmPartitionObservation],
    desired: HsmPartitionSpec,
    observed: HsmPartitionObservation,
) -> Verdict:
    """The operation that destroys them. Those that something stored names stay, and are warned of; while a data plane
    cannot be asked none goes (I3)."""
    going = tuple(key_id for key_id in observed.retired_keys if key_id not in observed.needed_keys)
    if desired.retired_keys == "keep" or not observed.retired_keys:
        return verdicts.NOTHING
    if observed.unasked:
        return verdicts.blocked(
            "key-in-use",
            f"{given.address} is to destroy {_keys(observed.retired_keys)}, and whether something is under them is not "
            f"known: {unknown_need(observed.unasked)}",
            f"Make {' and '.join(observed.unasked)} answer, then plan again.",
            "Or write `retiredKeys: keep`, and they stay in the token.",
        )
    warnings = (
        *(
            f"{given.address} keeps a retired cluster key that data in another partition are under, to which it was "
            f"replicated: {key_id}. It goes once those are rotated."
            for key_id in observed.needed_keys
        ),
    )
    if not going:
        return Verdict(warnings=warnings)
    step = DestroyRetiredKeys(
        id=STEP,
        summary="see that still nothing is under any of them, and destroy them in the token",
        reversible=False,
        address=given.address,
        provider=given.provider,
        partition=given.name,
        arn=observed.arn,
        key_ids=going,
    )
    were = "was" if len(going) == 1 else "were"
    reason = f"{_keys(going)} {were} retired, and its manifest says that such are destroyed"
    operation = Operation(verb=Verb.UPDATE, reason=reason, steps=(step,))
    entry = DiffEntry(path="retired_keys", before=list(observed.retired_keys), after=list(observed.needed_keys))
    done = verdicts.changed([operation], [entry])
    return Verdict(action=done.action, operations=done.operations, diff=done.diff, warnings=warnings)


def _keys(key_ids: Sequence[str]) -> str:
    return "1 cluster key" if len(key_ids) == 1 else f"{len(key_ids):,} cluster keys"
