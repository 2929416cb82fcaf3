"""``Recipient``: answers sealed for an attested Nitro enclave, which this key service cannot give."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator

from reconciler.errors import UnsupportedOperationException


def _refused(value: Any) -> None:
    if value is not None:
        raise UnsupportedOperationException(
            "This key service attests no enclaves, so it cannot seal its answer for one: leave out Recipient"
        )


Recipient = Annotated[None, BeforeValidator(_refused)]
"""Absent or null. UnsupportedOperationException for anything else: an answer in clear would be the wrong one."""
