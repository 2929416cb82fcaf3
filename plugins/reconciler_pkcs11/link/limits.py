"""How much, how long and how many: what one end of the link can ask of the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

# A request holds a data key or its wrapped form, and an encryption context (public limit: 8 KiB): far below this.
MOST_REQUEST_BYTES: Final = 64 * 1024
# An answer may list every key of a partition: some 60,000 of them.
MOST_ANSWER_BYTES: Final = 8 * 1024 * 1024
MOST_PIN_BYTES: Final = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadlines:
    """Seconds that the client waits. A read may be asked again, so it is given up early; a call that changes something
    gets long, since its outcome is unknown afterwards (PKCS11.md 0)."""

    connecting: float = 5.0
    reading: float = 5.0
    changing: float = 60.0
    logging_in: float = 30.0  # a module that has to reach its HSM first takes its time
    waiting_most: float = 2.0  # between two attempts to connect


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentLimits:
    """Seconds and counts of the agent. A handshake, a login and a frame once begun have to be complete within their
    time; a client that asks nothing for ``idle`` is sent away, and may come again."""

    handshake: float = 5.0
    login: float = 10.0
    frame: float = 10.0
    idle: float = 300.0
    recheck: float = 2.0  # a certificate that is taken out of the folder is refused after this, even while connected
    turn_reading: float = 4.0  # less than the client waits, so that it hears why
    turn_changing: float = 30.0
    stopping: float = 65.0
    half_open: int = 32
    half_open_each: int = 8  # of one address
    connections: int = 64
    connections_each: int = 16  # of one client
    refused_pins_each: int = 2
    reopening_first: float = 0.5
    reopening_most: float = 30.0
