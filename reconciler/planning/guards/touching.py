"""Which keys, or partitions of an HSM, a change is about: those whose blast radius its reviewer has to see (CONTRACT
3)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from reconciler.model.address import Address
from reconciler.model.change import Change, Verb
from reconciler.model.recorded import Recorded
from reconciler.providers.plugin import KEYS
from reconciler.providers.root_arns import is_root
from reconciler.resources import registry

Row = Callable[[Address], Recorded | None]
References = Mapping[Address, tuple[Address, ...]]

_MOVING_KEYS = frozenset({Verb.SWITCH_KEY, Verb.ROTATE, Verb.DELETE, Verb.ENCRYPT, Verb.DECRYPT, Verb.RE_WRAP})


def touched_keys(change: Change, row: Row, references: References) -> tuple[str, ...]:
    """ARNs of the keys that exist already, in order: those that an operation of the key service is about, and those
    that data leave, come under or are rotated below."""
    cut_off = tuple(arn for operation in change.operations for arn in operation.cuts_off)
    if not change.operations:
        return ()
    is_of_keys = registry.kind(change.address.kind).provider_protocol == KEYS
    if not is_of_keys and not any(operation.verb in _MOVING_KEYS for operation in change.operations):
        return tuple(dict.fromkeys(cut_off))
    named = [arn for address in (change.address, *references.get(change.address, ())) for arn in _arns(row(address))]
    return tuple(dict.fromkeys((*cut_off, *named)))


def _arns(row: Recorded | None) -> Iterator[str]:
    if row is None:
        return
    for name in ("arn", "key_arn", "partition"):
        value = str(row.attributes.get(name) or "")
        if is_root(value):
            yield value
