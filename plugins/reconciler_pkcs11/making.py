"""A new key in a token, its id written down before: whatever happens in between, looking for the id settles it (I10).

NSS lets a second key of one id replace the first, SoftHSM leaves half an object behind when it is killed (PKCS11.md 1),
now and then one with id and label and no key in it: so an id is used once, looked for before anything is made under it,
and what is found there and does nothing is made anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from reconciler.errors import HsmError, HsmFault, HsmUnavailable
from reconciler.providers.hsm import Suite
from reconciler_pkcs11.canary import make_canary
from reconciler_pkcs11.connections import Connections
from reconciler_pkcs11.partition import Partition, TokenKey
from reconciler_pkcs11.rows import PartitionRow

_ATTEMPTS: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class NewObject:
    """What is to be made. ``relabelled``: its label will be changed."""

    object_id: str
    label: str
    suite: Suite
    relabelled: bool = False


def make_object(connections: Connections, row: PartitionRow, new: NewObject) -> bytes:
    """Make the key unless it is there, and prove it: its canary. The caller has written its id down, and has put
    nothing under it yet. HsmUnavailable: it may be there or not, and the same call settles that. HsmError: what is
    there is not ours, or was not made as asked."""
    began = [False]
    try:
        with connections.use(row) as partition:
            return _made(partition, new, began)
    except HsmUnavailable:
        if not began[0]:
            raise
    # The outcome is unknown: a new worker looks for the id, and makes the key only when it is not there.
    with connections.use(row) as partition:
        return _made(partition, new, began)


def _made(partition: Partition, new: NewObject, began: list[bool]) -> bytes:
    for attempt in range(1, _ATTEMPTS + 1):
        found = _ours(partition, new)
        if not found:
            began[0] = True
            try:
                partition.generate(new.object_id, new.label, new.suite, relabelled=new.relabelled)
            except HsmError as error:
                # The worker of a process that was killed finishes what it was asked: it may come between.
                if error.fault is not HsmFault.KEY_DUPLICATE or not _ours(partition, new):
                    raise
            found = _ours(partition, new)
        if len(found) == 1:
            try:
                return make_canary(partition, new.object_id, new.suite)
            except HsmError as error:
                if error.fault is not HsmFault.REFUSED or attempt == _ATTEMPTS:
                    raise
        # A half object; or two, where workers made it at once and the token let them. Nothing is under any of them.
        partition.destroy(new.object_id, new.label)
    raise _taken(new, found)


def _ours(partition: Partition, new: NewObject) -> list[TokenKey]:
    """What is there under that id, all of it as we make it. HsmError for anything else."""
    found = partition.find_keys(new.object_id)
    if any(each.label != new.label for each in found):
        raise _taken(new, found)
    if found and found[0].weakened:
        raise HsmError(
            f"The key {new.object_id} is in the partition, and not as it was made: {', '.join(found[0].weakened)}",
            fault=HsmFault.KEY_WEAKENED,
            suggestion="Nothing was put under it. Remove it with the HSM's own tools.",
        )
    return found


def _taken(new: NewObject, found: Sequence[TokenKey]) -> HsmError:
    labels = ", ".join(sorted({each.label for each in found})) or "none that can be read"
    return HsmError(
        f"The partition has {len(found)} keys of id {new.object_id} already, labelled {labels}",
        fault=HsmFault.KEY_DUPLICATE,
        suggestion="Ids are drawn at random and used once: look who made a key of that id. Nothing was put under it.",
    )
