"""A new key in a token, its id written down before: whatever happens in between, looking for the id settles it (I10).

NSS lets a second key of one id replace the first, SoftHSM leaves half an object behind when it is killed (PKCS11.md 1):
so an id is used once, and looked for before anything is made under it.
"""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.errors import HsmError, HsmFault, HsmUnavailable
from reconciler.providers.hsm import Suite
from reconciler_pkcs11.canary import make_canary
from reconciler_pkcs11.connections import Connections
from reconciler_pkcs11.partition import Partition
from reconciler_pkcs11.rows import PartitionRow


@dataclass(frozen=True, slots=True, kw_only=True)
class NewObject:
    """What is to be made. ``relabelled``: its label will be changed."""

    object_id: str
    label: str
    suite: Suite
    relabelled: bool = False


def make_object(connections: Connections, row: PartitionRow, new: NewObject) -> bytes:
    """Make the key unless it is there, and prove it: its canary. The caller has written its id down. HsmUnavailable:
    it may be there or not, and the same call settles that. HsmError: what is there is not ours, or was not made as
    asked."""
    began = False
    try:
        with connections.use(row) as partition:
            if not _is_there(partition, new):
                began = True
                partition.generate(new.object_id, new.label, new.suite, relabelled=new.relabelled)
            return make_canary(partition, new.object_id, new.suite)
    except HsmUnavailable:
        if not began:
            raise
    # The outcome is unknown: a new worker looks for the id, and makes the key only when it is not there.
    with connections.use(row) as partition:
        if not _is_there(partition, new):
            partition.generate(new.object_id, new.label, new.suite, relabelled=new.relabelled)
        return make_canary(partition, new.object_id, new.suite)


def _is_there(partition: Partition, new: NewObject) -> bool:
    found = partition.find_keys(new.object_id)
    if not found:
        return False
    if len(found) > 1 or found[0].label != new.label:
        raise HsmError(
            f"The partition has {len(found)} keys of id {new.object_id} already, one of them labelled {found[0].label}",
            fault=HsmFault.KEY_DUPLICATE,
            suggestion="Ids are drawn at random and used once: look who made a key of that id. Nothing was changed.",
        )
    if found[0].weakened:
        raise HsmError(
            f"The key {new.object_id} is in the partition, and not as it was made: {', '.join(found[0].weakened)}",
            fault=HsmFault.KEY_WEAKENED,
            suggestion="Nothing was put under it. Remove it with the HSM's own tools.",
        )
    return True
