"""What data planes say of retired cluster keys in a partition: asked of all of them, so that no key goes that one of
them needs (I3)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol, runtime_checkable

from reconciler.errors import ReconcilerError
from reconciler.providers.data import TakesHsmRoots
from reconciler.providers.hsm import RetiresClusterKeys

Plane = Callable[[], object]
"""A data plane that is had when it is asked; ReconcilerError when it cannot be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetiredKeys:
    """``retired``: Provider (manifest name) → the ids that it has put nothing more under, in that partition.
    ``needed``: of these and of those asked about, the ones that something stored names. ``unreachable``: who could not
    be asked, each of which may need any."""

    retired: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    needed: frozenset[str] = frozenset()
    unreachable: tuple[str, ...] = ()


NOBODY_ASKED: Final = RetiredKeys(unreachable=("the data planes",))


@runtime_checkable
class KnowsRetiredKeys(Protocol):
    """The running command, as refreshing and a step see it."""

    def retired_keys(self, partition: str, key_ids: Collection[str] = ()) -> RetiredKeys:
        """Asked of every data plane now, about the partition of that ARN and about ``key_ids``."""


def ask_retired_keys(
    declared: Mapping[str, Plane],
    undeclared: Callable[[], Mapping[str, object | None]],
    partition: str,
    key_ids: Collection[str],
) -> RetiredKeys:
    """Ask each. One that roots clusters in partitions and does not say counts as unreachable. ``undeclared`` (None: it
    cannot be built) are asked only what they need, and only where there is something to ask about."""
    planes: dict[str, RetiresClusterKeys] = {}
    retired: dict[str, tuple[str, ...]] = {}
    unreachable: list[str] = []
    for name, get in sorted(declared.items()):
        try:
            plane = get()
            if isinstance(plane, RetiresClusterKeys):
                found = tuple(one.key_id for one in plane.retired_cluster_keys() if one.partition == partition)
                planes[name] = plane
                retired.update({name: found} if found else {})
            elif isinstance(plane, TakesHsmRoots):
                unreachable.append(name)
        except ReconcilerError:
            unreachable.append(name)
    asked = sorted({*key_ids, *(key_id for found in retired.values() for key_id in found)})
    if not asked:
        return RetiredKeys(unreachable=tuple(unreachable))
    for name, built in undeclared().items():
        if isinstance(built, RetiresClusterKeys):
            planes[name] = built
        elif built is None or isinstance(built, TakesHsmRoots):
            unreachable.append(name)
    needed, silent = _needed(planes.items(), asked)
    return RetiredKeys(retired=retired, needed=needed, unreachable=(*unreachable, *silent))


def _needed(
    planes: Iterable[tuple[str, RetiresClusterKeys]], key_ids: Collection[str]
) -> tuple[frozenset[str], list[str]]:
    needed: set[str] = set()
    silent: list[str] = []
    for name, plane in planes:
        try:
            needed.update(plane.needed_cluster_keys(key_ids))
        except ReconcilerError:
            silent.append(name)
    return frozenset(needed), silent
