"""Manifests of everything that exists and that nobody manages: what ``import --generate`` writes.

Names come first, then fields, so that references go by name wherever what they point at is known. The same world gives
the same documents, in the order of their addresses.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from reconciler.errors import ReconcilerError
from reconciler.model.address import Address
from reconciler.model.ports import Services
from reconciler.model.recorded import Recorded
from reconciler.planning.importing import everything
from reconciler.providers.plugin import serves
from reconciler.resources import registry
from reconciler.resources.kind import Existing, ManifestInput, Observation, Target
from reconciler.resources.resource import Resource

_LONGEST: Final = 63
_ID_SHOWN: Final = 8  # characters of an id that stand for an object without a name of its own
_ALIAS: Final = "alias/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """One manifest: its address, and the spec in manifests' spelling, ``provider`` first."""

    address: Address
    spec: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Generated:
    """``drafts`` in the order of their addresses; ``left_out`` says why something that exists has none."""

    drafts: tuple[Draft, ...]
    left_out: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Found:
    """An object that is there, with the Provider that has it."""

    kind: str
    provider: str
    one: Existing


@dataclass(slots=True, kw_only=True)
class Generator:
    """Writes drafts. ``rows`` is what the state has, ``declared`` kind, Provider and name at the provider of what
    manifests declare, and ``taken`` their addresses."""

    services: Services
    rows: Sequence[Recorded]
    declared: Mapping[tuple[str, str, str], Address] = field(default_factory=dict)
    taken: Collection[Address] = ()
    _addresses: dict[tuple[str, str, str], Address] = field(default_factory=dict)
    _left_out: list[str] = field(default_factory=list)
    _managed: dict[tuple[str, str, str], Address] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for row in self.rows:
            if row.identity is not None:
                kind, attributes = row.address.kind, row.attributes
                self._managed[_place(kind, row.provider, row.identity)] = row.address
                names = tuple(str(attributes[name]) for name in ("arn", "name") if name in attributes)
                one = Existing(name=row.identity, attributes=attributes, others=names)
                self._know(_Found(kind, row.provider, one), row.address)

    def generate(self, providers: Mapping[str, str], kinds: Collection[str]) -> Generated:
        """Drafts of what these ``providers`` (name → protocol) have of these ``kinds``."""
        found = [one for kind in sorted(kinds) for one in self._unmanaged(kind, providers)]
        used = set(self.taken) | set(self._managed.values())
        nameless: list[tuple[_Found, Observation]] = []
        named: list[tuple[Address, _Found, Observation]] = []
        for one, seen in self._observed(found):
            name = _own_name(one)
            if name is None:
                nameless.append((one, seen))
            else:
                named.append((self._give(one, name, used), one, seen))
        # What has no name of its own is called after what it refers to, which has one by now.
        for one, seen in sorted(nameless, key=lambda pair: _is_named_after(pair[0])):
            fields = self._fields(one, seen)
            if fields is not None:
                named.append((self._give(one, _name_after(one, fields), used), one, seen))
        drafts = [draft for address, one, seen in named if (draft := self._draft(address, one, seen)) is not None]
        return Generated(
            drafts=tuple(sorted(drafts, key=lambda draft: draft.address)), left_out=tuple(sorted(self._left_out))
        )

    def _unmanaged(self, kind: str, providers: Mapping[str, str]) -> Iterator[_Found]:
        seen: set[tuple[str, str, str]] = set()
        for provider in sorted(providers):
            found = registry.kind(kind)
            if not serves(providers[provider], found.provider_protocol) or found.manifest is None:
                continue
            for one in everything(kind, provider, self.services):
                place = _place(kind, provider, one.identity)
                if place in seen:
                    continue
                seen.add(place)
                names = (one.name.removeprefix(_ALIAS), one.name, *one.others)
                declared = next(filter(None, (self.declared.get((kind, provider, name)) for name in names)), None)
                if place in self._managed:
                    self._know(_Found(kind, provider, one), self._managed[place])
                elif one.belongs_to is None and declared is None:
                    yield _Found(kind, provider, one)
                elif one.belongs_to is None and declared is not None:
                    self._know(_Found(kind, provider, one), declared)
                    self._left_out.append(f"{declared} is declared already: `importId: {one.identity}` adopts it")

    def _observed(self, found: Sequence[_Found]) -> Iterator[tuple[_Found, Observation]]:
        """Each with its observation, in one sweep a kind; those that went meanwhile are left out."""
        for kind in dict.fromkeys(one.kind for one in found):
            group = [one for one in found if one.kind == kind]
            targets = [
                Target(address=Address.of(kind, str(number)), provider=one.provider, attributes=one.one.attributes)
                for number, one in enumerate(group)
            ]
            seen = registry.kind(kind).observe(targets, self.services)
            for target, one in zip(targets, group, strict=True):
                observation = seen.get(target.address)
                if observation is not None and self._fields(one, observation, complains=True) is not None:
                    yield one, observation

    def _fields(self, one: _Found, seen: Observation, *, complains: bool = False) -> Mapping[str, Any] | None:
        manifest = registry.kind(one.kind).manifest
        if manifest is None:
            return None
        given = ManifestInput(
            provider=one.provider, attributes=one.one.attributes, observed=seen, name_of=self._name_of(one.provider)
        )
        try:
            return manifest(given)
        except ReconcilerError as error:
            if complains:
                self._left_out.append(f"{error.summary}. {error.suggestion or ''}".rstrip())
            return None

    def _draft(self, address: Address, one: _Found, seen: Observation) -> Draft | None:
        fields = self._fields(one, seen)
        if fields is None:
            return None
        spec: dict[str, Any] = {"provider": one.provider}
        name = one.one.name.removeprefix(_ALIAS)
        if registry.kind(one.kind).takes_name and name != address.name:
            spec["externalName"] = name
        return Draft(address=address, spec={**spec, **fields, "importId": one.one.identity})

    def _give(self, one: _Found, name: str, used: set[Address]) -> Address:
        """An address that nothing has yet."""
        number, address = 1, Address.of(one.kind, name)
        while address in used:
            number += 1
            tail = f"-{number}"
            address = Address.of(one.kind, name[: _LONGEST - len(tail)].rstrip("-") + tail)
        used.add(address)
        self._know(one, address)
        return address

    def _know(self, one: _Found, address: Address) -> None:
        """References to the object go by that name from now on."""
        for name in (one.one.identity, one.one.name, *one.one.others, str(one.one.attributes.get("uid") or "")):
            if name:
                self._addresses.setdefault((one.kind, one.provider, name), address)
                if name.startswith("arn:") or name == one.one.attributes.get("uid"):
                    self._addresses.setdefault((one.kind, "", name), address)

    def _name_of(self, provider: str) -> Callable[[str, str], Address | None]:
        """Names are looked for at the Provider of what refers to them; ARNs and uids everywhere."""
        return lambda kind, name: self._addresses.get((kind, provider, name)) or self._addresses.get((kind, "", name))


def _own_name(found: _Found) -> str | None:
    """What a person would call the object: its name where its kind takes one, else an alias that it has."""
    if registry.kind(found.kind).takes_name:
        return _as_name(found.one.name.removeprefix(_ALIAS))
    aliases = [name for name in found.one.others if name.startswith(_ALIAS)]
    return _as_name(aliases[0].removeprefix(_ALIAS)) if aliases else None


def _is_named_after(found: _Found) -> bool:
    spec = registry.spec_class(found.kind)
    return (spec.one_per or spec.parent) is not None


def _name_after(found: _Found, fields: Mapping[str, Any]) -> str:
    spec = registry.spec_class(found.kind)
    target = fields.get(spec.one_per or spec.parent or "")
    known = target if isinstance(target, str) else None
    short = re.sub(r"[^0-9a-z]+", "", found.one.identity.rpartition("/")[2].lower())[:_ID_SHOWN]
    if known is None:
        return _as_name(f"{found.kind}-{short}")
    return known if spec.one_per is not None else _as_name(f"{known}-{short}")


def _as_name(text: str) -> str:
    """The text as ``metadata.name`` may be written."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:_LONGEST].rstrip("-") or "unnamed"


def names_declared(resources: Iterable[Resource]) -> dict[tuple[str, str, str], Address]:
    """See ``Generator.declared``: only of kinds whose objects have names of their own."""
    return {
        (resource.address.kind, resource.provider, resource.external_name): resource.address
        for resource in resources
        if resource.provider is not None and registry.kind(resource.address.kind).takes_name
    }


def _place(kind: str, provider: str, identity: str) -> tuple[str, str, str]:
    """What tells an object from any other; what is of an account is the same at all of its Providers."""
    return kind, "" if registry.kind(kind).of_account else provider, identity
