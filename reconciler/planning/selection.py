"""What ``--target``, ``--exclude`` and ``-l`` leave of a plan."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from reconciler.errors import UsageError
from reconciler.model.address import Address
from reconciler.model.nearest import did_you_mean
from reconciler.planning.request import PlanRequest

References = Mapping[Address, Iterable[Address]]


def in_scope(request: PlanRequest, references: References, known: Collection[Address]) -> set[Address] | None:
    """The resources that the plan may touch; None: all of them.

    A target brings what it refers to (it could not be made without); an excluded resource takes what refers to it out
    with it. What is to be destroyed is the other way round: a target brings what refers to it (it could not go before),
    never the key that it rests on; an excluded resource keeps what it refers to.
    """
    if not request.targets and not request.excludes and request.labelled is None:
        return None
    users = _reversed(references)
    brings, keeps_out = (users, references) if request.destroy else (references, users)
    scope = set(known)
    if request.targets:
        scope = _closure(request.targets, brings)
    if request.labelled is not None:
        scope &= _closure(request.labelled, brings)
    if request.excludes:
        scope -= _closure(request.excludes, keeps_out)
    return scope


def with_users(addresses: Iterable[Address], references: References) -> set[Address]:
    """These, and whatever refers to them, near or far."""
    return _closure(addresses, _reversed(references))


def refuse_unknown(request: PlanRequest, known: Collection[Address]) -> None:
    """UsageError when a flag names a resource that is neither declared nor recorded."""
    for address in (*request.targets, *request.excludes, *request.replace, *request.accept_outage):
        if address not in known:
            raise UsageError(
                f"{address} is neither declared in a manifest nor recorded in the state",
                suggestion=did_you_mean(address, known) or "`reconciler state list` shows what is recorded.",
            )


def _closure(start: Iterable[Address], references: References) -> set[Address]:
    reached: set[Address] = set()
    waiting = list(start)
    while waiting:
        address = waiting.pop()
        if address not in reached:
            reached.add(address)
            waiting.extend(references.get(address, ()))
    return reached


def _reversed(references: References) -> dict[Address, list[Address]]:
    backwards: dict[Address, list[Address]] = {}
    for source, targets in references.items():
        for target in targets:
            backwards.setdefault(target, []).append(source)
    return backwards
