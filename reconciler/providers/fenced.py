"""A provider whose stores refuse whoever was overtaken (I13)."""

from __future__ import annotations

from typing import Protocol, runtime_checkable


@runtime_checkable
class Fenced(Protocol):
    """A provider that checks ``ProviderServices.fence`` in every transaction that writes."""

    def raise_fence(self) -> None:
        """Have every store that exists remember who writes now, before anything is read there: what an overtaken
        process has in hand is refused from here on, and what it wrote before is seen. Makes no store; one that nobody
        can write to is left alone. LockHeld when this process was overtaken itself."""
