"""The part of all resources that a change of some can concern: a plan of five among 100,000 orders only that part."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from reconciler.graph.build import References
from reconciler.model.address import Address


def affected(references: References, changed: Iterable[Address], rank: Callable[[str], int | None]) -> References:
    """The references of ``changed`` and of everything that waits for any of them, near or far.

    ``build`` makes of them what it makes of all, less the resources left out: every way from one changed resource to
    another leads over such as wait for the first. ``rank`` is that of ``build``.
    """
    users: dict[Address, list[Address]] = {}
    for source, targets in references.items():
        for target in targets:
            users.setdefault(target, []).append(source)
    reached: set[Address] = set()
    completed: set[tuple[Address, int]] = set()
    waiting = list(changed)
    while waiting:
        address = waiting.pop()
        if address in reached or address not in references:
            continue
        reached.add(address)
        waiting.extend(users.get(address, ()))
        mine = rank(address.kind)
        if mine is None:
            continue
        for target in references[address]:  # others that name it wait for what completes it
            if (target, mine) not in completed:
                completed.add((target, mine))
                waiting.extend(
                    other for other in users[target] if (theirs := rank(other.kind)) is None or theirs > mine
                )
    if len(reached) == len(references):
        return references
    return {address: targets for address, targets in references.items() if address in reached}
