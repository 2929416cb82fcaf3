"""GenerateRandom."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from reconciler.access.caller import Caller
from reconciler.errors import UnsupportedOperationException, ValidationException
from reconciler_softkms.door import Door
from reconciler_softkms.operations import randomness
from reconciler_softkms.wire.enclaves import Recipient
from reconciler_softkms.wire.operation import Operation
from reconciler_softkms.wire.request import Asked


class GenerateRandom(Asked):
    """Its form."""

    number_of_bytes: Annotated[int, Field(ge=1, le=1024)] | None = None
    custom_key_store_id: Annotated[str, StringConstraints(min_length=1, max_length=64)] | None = None
    recipient: Recipient = None


def generate_random(door: Door, caller: Caller, asked: GenerateRandom) -> Mapping[str, Any]:
    """The bytes."""
    if asked.custom_key_store_id is not None:
        raise UnsupportedOperationException("This key service has no custom key stores: leave out CustomKeyStoreId")
    if asked.number_of_bytes is None:
        raise ValidationException("NumberOfBytes is required.")  # a choice of the model's only with an enclave
    with randomness.generate_random(door, caller, asked.number_of_bytes) as drawn:
        return {"Plaintext": bytes(drawn.expose_key_bytes())}


OPERATIONS = {"GenerateRandom": Operation(GenerateRandom, generate_random)}
