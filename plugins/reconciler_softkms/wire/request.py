"""What the requests' forms share: the base, and the fields that many operations take (reference, "KMS operations").

A form is a pydantic model with Python's spelling of the members: ``key_id`` is ``KeyId``. Members that nobody knows are
ignored, as the public service does.
"""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_pascal
from pydantic_core import PydanticCustomError


class Asked(BaseModel):
    """The form of a request."""

    model_config = ConfigDict(
        frozen=True, strict=True, extra="ignore", alias_generator=to_pascal, hide_input_in_errors=True
    )

    def __repr_args__(self) -> list[tuple[str | None, Any]]:
        return []  # a plaintext may be among the members (I19)


class Granted(Asked):
    """The form of a request that grants can allow."""

    grant_tokens: GrantTokens = ()


class Used(Granted):
    """The form of a request that grants can allow, and that can be tried."""

    dry_run: bool | None = None


def _decoded(value: Any) -> bytes:
    """Base64 text as bytes."""
    if not isinstance(value, str):
        raise PydanticCustomError("string_type", "Input should be a valid string")
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise PydanticCustomError("base64_decode", "not base64") from None


def as_tuple(value: Any) -> Any:
    """A JSON array as the tuple that a frozen form holds; anything else is left for the type to refuse."""
    return tuple(value) if isinstance(value, list) else value


Blob = Annotated[bytes, BeforeValidator(_decoded)]
Message = Annotated[Blob, Field(min_length=1, max_length=4096)]
Ciphertext = Annotated[Blob, Field(min_length=1, max_length=6144)]
PublicKey = Annotated[Blob, Field(min_length=1, max_length=8192)]
KeyName = Annotated[str, StringConstraints(min_length=1, max_length=2048)]
AliasName = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=r"^[a-zA-Z0-9:/_-]+$")]
GrantTokens = Annotated[
    tuple[Annotated[str, StringConstraints(min_length=1, max_length=8192)], ...],
    BeforeValidator(as_tuple),
    Field(max_length=10),
]
Limit = Annotated[int, Field(ge=1, le=1000)]
Marker = Annotated[str, StringConstraints(min_length=1, max_length=1024)]
Context = dict[str, str]

Granted.model_rebuild()
Used.model_rebuild()
