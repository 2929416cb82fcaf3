"""The seal as a passphrase: the wrapping key is Argon2id of it (RFC 9106), nothing of which is on disk but the salt.

The parameters stand in the store, so that they can be raised: three passes over 256 MiB in four lanes today, between
the two choices that RFC 9106 recommends. A wrong passphrase opens nothing and changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final

from reconciler.envelope.data_key import KEY_BYTES, DataKey
from reconciler.errors import DamagedStore, HostError
from reconciler.model.ports import Random
from reconciler_softkms.sealing.row import SEAL_ID_BYTES, SealRow, WrappingKey, parameters_of

KIND: Final = "passphrase"
WHAT: Final = "passphrase of the key store"
LEAST_BYTES: Final = 12
ITERATIONS: Final = 3
LANES: Final = 4
SALT_BYTES: Final = 16
MOST_MEMORY: Final = 4 * 1024 * 1024  # KiB
MOST_ITERATIONS: Final = 64
MOST_LANES: Final = 64

Ask = Callable[[], bytearray]


class PassphraseSeal:
    """``ask`` answers the passphrase, for this object to wipe; it is asked when the store key is to be unwrapped."""

    kind: Final = KIND

    def __init__(self, ask: Ask, random: Random, *, memory_mib: int) -> None:
        self._ask = ask
        self._random = random
        self._memory_mib = memory_mib

    def make(self, *, beside: bool) -> WrappingKey:
        """See ``Seal.make``. HostError for a passphrase that is too short to be one."""
        del beside  # nothing is on disk
        said = {
            "iterations": ITERATIONS,
            "kdf": "argon2id",
            "lanes": LANES,
            "memoryKib": self._memory_mib * 1024,
            "salt": self._random.bytes(SALT_BYTES).hex(),
            "version": 19,
        }
        passphrase = self._ask()
        try:
            if len(passphrase) < LEAST_BYTES:
                raise HostError(
                    f"The {WHAT} is only {len(passphrase)} bytes long, at least {LEAST_BYTES} are asked for",
                    suggestion="It is all that protects the keys of a stolen store: take six random words, for one.",
                )
            parameters = json.dumps(said, separators=(",", ":"))
            return WrappingKey(KIND, self._random.bytes(SEAL_ID_BYTES), parameters, _derived(passphrase, parameters))
        finally:
            passphrase[:] = bytes(len(passphrase))

    def wrapping_key(self, row: SealRow) -> DataKey:
        """See ``Seal.wrapping_key``."""
        if not _is_sound(row):
            raise DamagedStore(
                "The key store does not say how its passphrase is to be used, or asks for what no version of "
                "reconciler would",
                suggestion="Its seal was changed outside. Put back the key store from a backup; nothing was touched.",
            )
        passphrase = self._ask()
        try:
            return _derived(passphrase, row.parameters)
        finally:
            passphrase[:] = bytes(len(passphrase))


def _is_sound(row: SealRow) -> bool:
    """Whoever can write the store must not make the next one who opens it run for hours (I21)."""
    said = parameters_of(row)
    bounds = {"memoryKib": MOST_MEMORY, "iterations": MOST_ITERATIONS, "lanes": MOST_LANES}
    is_bounded = all(type(said.get(name)) is int and 1 <= said[name] <= most for name, most in bounds.items())
    salt = said.get("salt")
    return (
        is_bounded
        and said["memoryKib"] >= 8 * said["lanes"]
        and (said.get("kdf"), said.get("version")) == ("argon2id", 19)
        and isinstance(salt, str)
        and len(salt) == 2 * SALT_BYTES
        and set(salt) <= set("0123456789abcdef")
    )


def _derived(passphrase: bytearray, parameters: str) -> DataKey:
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

    said = json.loads(parameters)
    argon = Argon2id(
        salt=bytes.fromhex(said["salt"]),
        length=KEY_BYTES,
        iterations=said["iterations"],
        lanes=said["lanes"],
        memory_cost=said["memoryKib"],
    )
    return DataKey(argon.derive(bytes(passphrase)))
