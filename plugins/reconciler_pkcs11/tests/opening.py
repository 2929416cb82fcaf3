"""Opening test tokens as the product does, and names for keys in them."""

from __future__ import annotations

from dataclasses import dataclass, field

from reconciler.envelope.data_key import DataKey
from reconciler.host.clock import SystemRandom
from reconciler.model.ports import Clock
from reconciler.testing.fakes import ManualClock
from reconciler_pkcs11.local import LocalPartition
from reconciler_pkcs11.tests.tokens import Tokens
from reconciler_pkcs11.worker.worker import DEADLINES, Deadlines, Target

RANDOM = SystemRandom()
# For modules that hang on purpose. No other test may fail because the machine was busy.
SHORT = Deadlines(opening=10.0, reading=0.6, examining=5.0, changing=0.9)
AAD = b"a context"


@dataclass
class Pins:
    """A source that gives ``pin`` each time, and counts how often. ``given`` are the buffers that it gave."""

    pin: str = field(repr=False)
    given: list[bytearray] = field(default_factory=list, repr=False)

    def __call__(self) -> bytearray:
        self.given.append(bytearray(self.pin.encode()))
        return self.given[-1]


def open_local(
    tokens: Tokens,
    name: str,
    *,
    pins: Pins | None = None,
    clock: Clock | None = None,
    deadlines: Deadlines = DEADLINES,
    slot: int | None = None,
    label: str | None = None,
) -> LocalPartition:
    """The token of that name, logged in. Its clock stands still unless another is given."""
    token = tokens[name]
    wanted = label or (token.label if slot is None else None)
    return LocalPartition(
        Target(module=tokens.module_of(name), place=f"HsmPartition/{name}", token_label=wanted, slot=slot),
        pins or Pins(token.pin),
        clock=clock or ManualClock(),
        random=RANDOM,
        deadlines=deadlines,
    )


def new_id() -> str:
    """An id that nothing has."""
    return RANDOM.bytes(16).hex()


def label_of(key_id: str) -> str:
    """A label of ours."""
    return f"reconciler/cluster/{key_id}"


def data_key() -> DataKey:
    """A key to be wrapped."""
    return DataKey.generate(RANDOM)
