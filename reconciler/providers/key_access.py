"""What a data plane asks of a key: so that a plan can try a policy out before anybody depends on it (CONTRACT 5).

A data plane says it itself, since nobody else knows under which encryption context each of its objects is wrapped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from reconciler.access.request import GrantTerms
from reconciler.errors import ReconcilerError


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyAccess:
    """One request to the key service, by its API name (``Decrypt``). ``principal`` is the service that calls on
    nobody's behalf; None: the one it works for, through ``via``. ``grant`` are the terms that ``CreateGrant`` asks
    for."""

    operation: str
    principal: str | None = None
    via: str | None = None
    context: Mapping[str, str] = field(default_factory=dict)
    grant: GrantTerms | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependent:
    """An object under a key, managed or not, and all that it asks of the key while it lives. ``what``, ``name``,
    ``arn`` and ``of`` are those of ``KeyUse``."""

    what: str
    name: str
    arn: str
    accesses: tuple[KeyAccess, ...]
    of: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependents:
    """Everything under one key, and the Providers (by manifest name) that could not be asked."""

    found: tuple[Dependent, ...] = ()
    unreachable: tuple[str, ...] = ()


@runtime_checkable
class StatesKeyAccess(Protocol):
    """A data plane that says what it asks of keys. Asks none, and reads only what is durably stored."""

    def list_dependents(self, key_arn: str) -> Sequence[Dependent]:
        """Every object under that key, at the cost of those alone."""

    def list_accesses_to_adopt(self, what: str, name: str) -> Sequence[KeyAccess]:
        """What it will ask of a customer-managed key that it does not have yet, in that order, to put an object under
        it, new or there. ``what`` is cluster, snapshot-copy-grant or table; a table's name is ``keyspace.name``."""


@runtime_checkable
class KnowsDependents(Protocol):
    """The running command, as a step sees it that looks once more right before its call."""

    def dependents(self, key_arn: str) -> Dependents:
        """Asked of every declared data provider now."""


def ask_dependents(
    declared: Mapping[str, Callable[[], object]], undeclared: Callable[[], Mapping[str, object | None]], key_arn: str
) -> Dependents:
    """Ask each data plane; one that is ``declared`` is had by calling. Who does not say what it asks of keys has
    nothing to lose that anybody could know of."""
    found: list[Dependent] = []
    unreachable: list[str] = []
    for name, get in declared.items():
        try:
            found += _dependents(get(), key_arn)
        except ReconcilerError:
            unreachable.append(name)
    for name, built in undeclared().items():
        try:
            found += _dependents(built, key_arn)
        except ReconcilerError:
            unreachable.append(name)
    return Dependents(found=tuple(found), unreachable=tuple(unreachable))


def _dependents(plane: object, key_arn: str) -> Sequence[Dependent]:
    return plane.list_dependents(key_arn) if isinstance(plane, StatesKeyAccess) else ()
