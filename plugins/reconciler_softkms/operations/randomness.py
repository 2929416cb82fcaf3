"""GenerateRandom: bytes of the service's random generator, for whom the account lets draw them."""

from __future__ import annotations

from reconciler.access.caller import Caller
from reconciler.envelope.data_key import DataKey
from reconciler.errors import ValidationException
from reconciler_softkms.door import Door

RANDOM_BYTES = 1024


def generate_random(door: Door, caller: Caller, number_of_bytes: int) -> DataKey:
    """That many bytes, 1 to 1024, as a handle; else ValidationException."""
    with door.use(caller, "GenerateRandom", {}) as asked:
        asked.parameters = None  # as the public service's records have it
        asked.authorize_account("kms:GenerateRandom")
        if not 1 <= number_of_bytes <= RANDOM_BYTES:
            raise ValidationException(f"Between 1 and {RANDOM_BYTES} random bytes are drawn, not {number_of_bytes}")
        return DataKey.generate(door.random, number_of_bytes)
