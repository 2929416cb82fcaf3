"""Raw bytes beside what they decrypt to: is that ciphertext? Asked after each write of a sealed segment (I18) and by
``verify``.

An opened tag proves which key made the bytes; only looking at them proves that a cipher made anything of them. A cipher
that was left out, or covers a part only, leaves bytes where they were: in ciphertext one byte in 256 is equal to its
plaintext by chance.
"""

from __future__ import annotations

from contextlib import closing
from typing import Final

from reconciler.envelope.blocks import TAG_BYTES, open_block
from reconciler.errors import DamagedStore, InvalidCiphertextException
from reconciler_warehouse.blocks.key_tables import KeyTable
from reconciler_warehouse.blocks.segment_files import BUFFERS
from reconciler_warehouse.segment_store.protocol import OpensSegments

PARQUET: Final = b"PAR1"
CANARY_BYTES: Final = 24
_DISTINCT: Final = 12  # fewer different bytes are padding or a counter, which stand elsewhere too
_LEAST: Final = 32


def require_ciphertext(segments: OpensSegments, name: str, table: KeyTable, origin: bytes) -> None:
    """The first and the last block of a sealed segment that was just written: read back, opened under their own keys,
    seen to be ciphertext. DamagedStore else, HostError; before anything refers to the file (I2, I18)."""
    if not table.sealed or not table.blocks:
        return
    with BUFFERS.borrowed() as raw, BUFFERS.borrowed() as plain:
        for index in sorted({0, table.blocks - 1}):
            length = min(table.block_bytes, table.size - index * table.block_bytes)
            _read(segments, name, raw[:length], index * table.block_bytes)
            try:
                open_block(raw[: length + TAG_BYTES], plain[:length], table.entry(index), origin, index)
            except InvalidCiphertextException:
                raise _not_written(name, "does not open under the keys that it was just sealed under") from None
            seen = plaintext_in(raw[:length], plain[:length])
            if seen is not None:
                raise _not_written(name, f"is not ciphertext: {seen}")


def plaintext_in(stored: memoryview, plain: memoryview) -> str | None:
    """What of ``plain`` shows in ``stored``, a block's bytes on the disk, in words; None: it is ciphertext."""
    if bytes(stored[:4]) == PARQUET or bytes(stored[-4:]) == PARQUET:
        return "it carries Parquet's mark"
    count = len(stored)
    if count < _LEAST:
        return "it is the plaintext" if stored == plain else None
    differing = int.from_bytes(stored) ^ int.from_bytes(plain)
    equal = differing.to_bytes(count).count(0)
    if equal > count // 64 + 8:
        return f"{equal} of {count} bytes are those of the plaintext"
    found = bytes(stored)
    if any(value in found for value in canaries(plain)):
        return "a value of its plaintext stands in it"
    return None


def canaries(plain: memoryview | bytes) -> list[bytes]:
    """A few stretches of plaintext that no other bytes hold by chance: what a search looks for."""
    found: list[bytes] = []
    for part in (3, 2):  # a third and a half into it
        start = len(plain) // part
        value = bytes(plain[start : start + CANARY_BYTES])
        if len(value) == CANARY_BYTES and len(set(value)) >= _DISTINCT:
            found.append(value)
    return found


def _read(segments: OpensSegments, name: str, buffer: memoryview, offset: int) -> None:
    try:
        with closing(segments.open(name)) as opened:
            count = opened.read_into(buffer, offset)
    except FileNotFoundError:
        raise _not_written(name, "is not there") from None
    if count != len(buffer):
        raise _not_written(name, "is shorter than what was written")


def _not_written(name: str, what: str) -> DamagedStore:
    return DamagedStore(
        f"Segment file {name} was written and {what}; nothing refers to it",
        suggestion="Nothing was changed. Have disk and memory of this machine checked, then run the command again.",
    )
