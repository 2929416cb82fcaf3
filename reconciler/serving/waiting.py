"""How many connections may wait without a request."""

from __future__ import annotations

import asyncio


class Waiting:
    """The connections on which no request is being answered: a head has not come whole, or none has begun. Where there
    are more than ``most``, whoever has the most of them (by address) loses the one that has waited longest, so that
    nobody who opens connections and says nothing keeps others from being answered."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._count = 0
        self._by_peer: dict[str, dict[asyncio.Transport, None]] = {}

    def enter(self, peer: str, transport: asyncio.Transport) -> None:
        """It waits from now on. Whoever has to go for it is closed at once."""
        own = self._by_peer.setdefault(peer, {})
        if transport not in own:
            own[transport] = None
            self._count += 1
        if self._count > self._most:
            greediest = max(self._by_peer, key=lambda each: len(self._by_peer[each]))
            oldest = next(iter(self._by_peer[greediest]))
            self.leave(greediest, oldest)
            oldest.abort()

    def leave(self, peer: str, transport: asyncio.Transport) -> None:
        """It waits no more: its request is whole, or it is closed."""
        own = self._by_peer.get(peer)
        if own is not None and transport in own:
            del own[transport]
            self._count -= 1
            if not own:
                del self._by_peer[peer]
