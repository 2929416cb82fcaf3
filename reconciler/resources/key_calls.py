"""What a step asks the key service for, said before it runs: a plan rehearses these calls against the policies and
grants that will be in force by then (CONTRACT 5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from reconciler.access.request import GrantTerms
from reconciler.model.address import Address
from reconciler.model.ports import Services
from reconciler.providers.key_access import KeyAccess, StatesKeyAccess
from reconciler.resources.reference import Reference


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyCall:
    """One call, by its API name, and what it changes of the key by succeeding.

    ``principal`` is a service that calls on nobody's behalf; None: whoever acts for the step's Provider, through
    ``via`` if that is given. ``grant`` are the terms of a new grant, ``grant_id`` names one that ends. ``document`` is
    the new policy; None with ``PutKeyPolicy``: the default one. ``as_root``: the key is to be the root of data in the
    Region of the step's Provider.
    """

    key: Reference
    operation: str
    principal: str | None = None
    via: str | None = None
    context: Mapping[str, str] | None = None
    grant: GrantTerms | None = None
    grant_id: str | None = None
    document: Mapping[str, Any] | None = None
    alias: str | None = None
    tags: Mapping[str, str] | None = None
    waiting_days: int | None = None
    as_root: bool = False


@runtime_checkable
class CallsKeys(Protocol):
    """A step that calls the key service, itself or through a data plane."""

    def key_calls(self, services: Services) -> Sequence[KeyCall]:
        """The calls in their order. Reads only."""


@runtime_checkable
class FindsKeys(Protocol):
    """The running command, which knows all declared Providers."""

    def key_service_of(self, arn: str) -> str | None:
        """The key Provider, by manifest name, of the account and Region of a key's or alias's ARN; None: there is
        none."""


def own_key(address: Address) -> Reference:
    """The reference to the key that a Key resource is."""
    return Reference(address.kind, address.name)


def root_calls(services: Services, provider: str, key: Reference | None, what: str, name: str) -> list[KeyCall]:
    """The calls by which a data plane puts an object under ``key``; none for its owned key, or where it does not say
    what it asks for. ``what`` and ``name`` are those of ``StatesKeyAccess.list_accesses_to_adopt``."""
    plane = services.provider(provider) if key is not None else None
    if key is None or not isinstance(plane, StatesKeyAccess):
        return []
    return [
        _call(key, access, as_root=not place) for place, access in enumerate(plane.list_accesses_to_adopt(what, name))
    ]


def _call(key: Reference, access: KeyAccess, *, as_root: bool) -> KeyCall:
    return KeyCall(
        key=key,
        operation=access.operation,
        principal=access.principal,
        via=access.via,
        context=access.context,
        grant=access.grant,
        as_root=as_root,
    )
