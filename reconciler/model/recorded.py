"""What the state remembers of one resource."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from reconciler.model.address import Address


class Standing(StrEnum):
    """Why a resource is in the state."""

    MANAGED = "managed"
    RETAINED = "retained"  # its manifest is gone, or a destroy asked; it stays (I17)
    LEAVING = "leaving"  # a key that waits out its deletion window: declaring it again cancels that


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """One row of the state. Holds names, ids and digests, never a secret (I19).

    ``uid`` is ours and never reused. ``attributes`` is what the steps left (``id``, ``arn`` …). ``spec`` is the
    canonical JSON of the last spec that was carried out completely, ``digest`` its SHA-256 in hex; both None while
    the first change is unfinished. ``observed`` is the canonical JSON of the observation made right after that,
    ``links`` the identities that its references had then (one ``address=id`` a line). ``due_at`` is the epoch second
    from which time alone can ask for a change. ``settled`` is False from a change's first intent until its last step.
    """

    address: Address
    uid: str
    provider: str
    attributes: Mapping[str, Any] = field(default_factory=dict)
    spec: str | None = None
    digest: str | None = None
    observed: str | None = None
    links: str = ""
    due_at: float | None = None
    settled: bool = False
    protected: bool = False
    standing: Standing = Standing.MANAGED
    references: tuple[Address, ...] = ()
    serial: int = 0

    @property
    def identity(self) -> str | None:
        """The object's id at its provider, None before it exists."""
        value = self.attributes.get("id")
        return None if value is None else str(value)


def links(references: Iterable[Address], identity: Callable[[Address], str | None]) -> str:
    """``Recorded.links`` of a resource that refers to these: a replaced key shows there."""
    return "\n".join(f"{address}={identity(address) or '?'}" for address in references)


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """A step that was begun: durable before its provider call (I10). ``facts`` are what it was planned on."""

    number: int
    address: Address
    uid: str
    provider: str
    step: str
    verb: str
    token: str
    facts: Mapping[str, Any] = field(default_factory=dict)
