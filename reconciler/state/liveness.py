"""Whether the holder of a lock still lives, as far as it can be known from here (DESIGN 4)."""

from __future__ import annotations

from enum import StrEnum

from reconciler.host.process import Process, is_dead
from reconciler.state.store import Holder


class Liveness(StrEnum):
    """Of ``DEAD`` and ``EXPIRED`` holders anybody takes the lock over. One that lives on this host keeps it however
    long it was stopped; of another host nobody here knows more than its lease."""

    ALIVE = "alive"
    DEAD = "dead"
    LEASED = "leased"  # on another host, its lease runs
    EXPIRED = "expired"  # on another host, its lease ran out


TAKEN_OVER = frozenset({Liveness.DEAD, Liveness.EXPIRED})


def liveness(found: Holder, here: Process, now: float) -> Liveness:
    """Of the holder, as process ``here`` sees it at ``now`` (epoch seconds)."""
    if here.sees(found.host, found.boot_id):
        return Liveness.DEAD if is_dead(found.pid, found.started) else Liveness.ALIVE
    return Liveness.EXPIRED if now >= found.expires else Liveness.LEASED
