"""The rows of the state that have to do with a few keys, found by the heads: of 10,000 rows a plan that changes a key's
description need not open each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from reconciler.model.address import Address
from reconciler.model.recorded import Recorded
from reconciler.planning.candidates import MANAGED
from reconciler.planning.inventory import Inventory
from reconciler.resources.planned import Declared
from reconciler.state.store import Head, StateReader

_MANY = 1_000  # from here on, reading all of them in one go is as fast


def rows_about(found: Inventory, keys: Collection[str], state: StateReader, declared: Declared) -> Sequence[Recorded]:
    """The rows of these keys (ARNs), of what was ``found`` to need them, of whatever refers to those, over any number
    of steps; and those of which the heads do not tell: what is not declared as it was last settled.

    A resource that names a key by its ARN is known by what the providers found of it.
    """
    heads = state.heads()
    named = {*keys, *(arn.rpartition("/")[2] for arn in keys), *(entry.identity for entry in found.entries)}
    concerned = {address for address, head in heads.items() if head.identity in named or _is_unsure(head, declared)}
    referring = _referring(heads)
    waiting = list(concerned)
    while waiting:
        for source in referring.get(waiting.pop(), ()):
            if source not in concerned:
                concerned.add(source)
                waiting.append(source)
    if len(concerned) > _MANY:
        return state.all()
    rows = (state.get(address) for address in sorted(concerned))
    return [row for row in rows if row is not None]


def _is_unsure(head: Head, declared: Declared) -> bool:
    resource = declared.get(head.address)
    return resource is None or head.digest != resource.digest or not head.settled or head.standing != MANAGED


def _referring(heads: Mapping[Address, Head]) -> Mapping[str, list[Address]]:
    """Address → what refers to it."""
    found: dict[str, list[Address]] = defaultdict(list)
    for head in heads.values():
        for line in head.links.split("\n") if head.links else ():
            found[line.partition("=")[0]].append(head.address)
    return found
