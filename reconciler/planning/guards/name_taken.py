"""Nothing is made where something unmanaged has its name already: it is imported, or left alone (I17)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from reconciler.errors import ReconcilerError
from reconciler.model.address import Address
from reconciler.model.article import a
from reconciler.model.change import Action, Block, Change
from reconciler.model.ports import Services
from reconciler.planning.importing import everything
from reconciler.resources import registry
from reconciler.resources.kind import Existing
from reconciler.resources.planned import Declared
from reconciler.resources.reference import Reference, name_of
from reconciler.resources.resource import Resource
from reconciler.state.store import Head


def refuse_taken_names(
    changes: Sequence[Change],
    declared: Declared,
    recorded: Mapping[Address, Head],
    services: Services,
    begun: Collection[Address] = (),
) -> list[Change]:
    """The changes, those refused that would make what is there. ``recorded`` is all that the state knows, finished or
    not; ``begun`` are those of which a step was interrupted: what is there may be what it made, and the same step with
    the same token tells. One sweep for each kind and Provider through which something new is made; a Provider that
    cannot be asked refuses by itself when it comes to that."""
    managed = {head.identity for head in recorded.values()}
    new = [
        change
        for change in changes
        if change.action is Action.CREATE
        and change.address not in recorded
        and change.address not in begun
        and change.address in declared
        and registry.kind(change.address.kind).takes_name
    ]
    swept: dict[tuple[str, str], list[Existing]] = {}
    blocks: dict[Address, Block] = {}
    for change in new:
        resource = declared[change.address]
        place = (change.address.kind, resource.provider or "")
        if place not in swept:
            swept[place] = [one for one in _sweep(*place, services) if one.identity not in managed]
        parent = _parent(resource, declared, services) if swept[place] else None
        for one in swept[place]:
            if _has_name(one, resource, parent):
                blocks[change.address] = _block(change.address, one)
    return [
        change if (block := blocks.get(change.address)) is None else replace(change, blocked=(*change.blocked, block))
        for change in changes
    ]


def _sweep(kind: str, provider: str, services: Services) -> Iterable[Existing]:
    try:
        return everything(kind, provider, services)
    except ReconcilerError:
        return ()


def _has_name(one: Existing, resource: Resource, parent: str | None) -> bool:
    field = resource.spec.parent
    if field is not None and one.attributes.get(field) != parent:
        return False
    return resource.external_name == one.name or resource.external_name in one.others


def _parent(resource: Resource, declared: Declared, services: Services) -> str | None:
    """The name at the provider of what the resource's name is unique under; None when it is not made yet."""
    field = resource.spec.parent
    reference = None if field is None else getattr(resource.spec, field)
    if not isinstance(reference, Reference):
        return None
    try:
        attributes: Mapping[str, object] = reference.attributes(services)
    except KeyError:
        other = None if reference.address is None else declared.get(reference.address)
        return None if other is None else other.external_name
    return name_of(attributes)


def _block(address: Address, one: Existing) -> Block:
    kind = address.kind
    return Block(
        guard="name-taken",
        reason=f"there is {a(kind)} {one.name} already ({one.identity}), and no resource of this project is it",
        way_out=(
            f"Bring it in: write `importId: {one.identity}` into the spec of {address}, and apply.",
            f"Or give {address} another name: `spec.externalName` names the object at its provider.",
        ),
    )
