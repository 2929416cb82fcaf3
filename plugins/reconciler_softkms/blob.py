"""The symmetric ciphertext blob: a header that names key and material, then one sealed message (DESIGN 5).

    magic "RKMS" 4 | version 1 | form of the key id 1 | key id 16 | key-material id 32 | sealed message (92 + n)

The AAD of the message is the canonical encoding of the whole header and the encryption context, so no byte of the
header can be changed and no context exchanged. Frozen by vectors in ``tests/test_blob.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Final, NamedTuple

from reconciler.envelope import canonical
from reconciler.errors import InvalidCiphertextException

MAGIC: Final = b"RKMS"
VERSION: Final = 1
HEADER_BYTES: Final = 54
_UUID: Final = 0
_MULTI_REGION: Final = 1
_MULTI_REGION_PREFIX: Final = "mrk-"


class Header(NamedTuple):
    """Which key, and which of its materials, a blob was made under. ``material_id`` is 64 hex digits."""

    key_id: str
    material_id: str

    def encode(self) -> bytes:
        """The 54 bytes."""
        return _encoded(self)


@lru_cache(maxsize=1024)
def _encoded(header: Header) -> bytes:
    multi_region = header.key_id.startswith(_MULTI_REGION_PREFIX)
    raw = bytes.fromhex(header.key_id.removeprefix(_MULTI_REGION_PREFIX).replace("-", ""))
    form = _MULTI_REGION if multi_region else _UUID
    return MAGIC + bytes((VERSION, form)) + raw + bytes.fromhex(header.material_id)


def parse(blob: bytes) -> tuple[Header, bytes]:
    """Header and sealed message. InvalidCiphertextException for anything that is not such a blob."""
    if len(blob) <= HEADER_BYTES:
        raise _not_ours()
    return _header(blob[:HEADER_BYTES]), blob[HEADER_BYTES:]


@lru_cache(maxsize=16384)
def _header(blob: bytes) -> Header:  # asked for several times in one request, and there are few keys
    form = blob[5]
    if blob[:4] != MAGIC or form not in (_UUID, _MULTI_REGION) or blob[4] != VERSION:
        raise _not_ours()
    digits = blob[6:22].hex()
    key_id = (
        _MULTI_REGION_PREFIX + digits
        if form == _MULTI_REGION
        else f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
    )
    return Header(key_id, blob[22:HEADER_BYTES].hex())


def _not_ours() -> InvalidCiphertextException:
    return InvalidCiphertextException("the ciphertext was not made by this key service, or it is damaged")


def aad(header: bytes, context: Mapping[str, str]) -> bytes:
    """What the sealed message is bound to."""
    return _aad(header, tuple(context.items()))


@lru_cache(maxsize=4096)
def _aad(header: bytes, pairs: tuple[tuple[str, str], ...]) -> bytes:  # many messages have one encryption context
    return canonical.encode(header, dict(pairs))
