"""Which resources need a closer look. Everything here is a comparison of short strings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache

from reconciler.model.address import Address
from reconciler.model.recorded import Standing, links
from reconciler.resources.resource import Resource
from reconciler.state.store import Head

MANAGED = str(Standing.MANAGED)


def candidates(
    declared: Mapping[Address, Resource],
    heads: Mapping[Address, Head],
    *,
    now: float,
    moved: Iterable[Address] = (),
) -> set[Address]:
    """Resources whose manifest, state or observation (``moved``) differ, that are unfinished, due, or no longer
    declared."""

    def identity(address: Address) -> str | None:
        head = heads.get(address)
        return None if head is None else head.identity

    @cache  # most resources refer to what many others refer to
    def linked(references: tuple[Address, ...]) -> str:
        return links(references, identity)

    found = set(moved)
    for address, resource in declared.items():
        head = heads.get(address)
        if (
            head is None
            or head.digest != resource.digest
            or not head.settled
            or head.standing != MANAGED
            or (head.due_at is not None and head.due_at <= now)
            or (resource.references and head.links != linked(resource.references))
        ):
            found.add(address)
    found.update(address for address in heads if address not in declared)
    return found
