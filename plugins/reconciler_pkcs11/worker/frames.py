"""How the two ends of a worker's channel talk: one request, one answer, each a frame.

A frame, big-endian::

    length of all that follows 4 | kind 1 | milliseconds 4 | fields, each: length 4 | bytes

``kind`` says which request or answer it is; ``milliseconds`` is how long the asker waits (0 in an answer). Secrets are
fields as they are: into buffers that can be wiped, where text formats would leave strings.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Final

_HEAD: Final = struct.Struct(">IBI")
_LENGTH: Final = struct.Struct(">I")
MOST_BYTES: Final = 64 * 1024 * 1024
_AT_ONCE: Final = 16 * 1024

ReadInto = Callable[[memoryview], int | None]


class Ended(Exception):
    """The other side is gone, or said what is no frame."""


def encode(kind: int, fields: Sequence[bytes | bytearray] = (), milliseconds: int = 0) -> bytearray:
    """A frame."""
    length = _HEAD.size - _LENGTH.size + sum(map(len, fields)) + _LENGTH.size * len(fields)
    frame = bytearray(_HEAD.pack(length, kind, milliseconds))
    for field in fields:
        frame += _LENGTH.pack(len(field))
        frame += field
    return frame


def decode(frame: bytearray) -> tuple[int, int, list[bytearray]]:
    """Kind, milliseconds and fields of a whole frame, which is wiped. Ended for what is none."""
    _, kind, milliseconds = _HEAD.unpack_from(frame)
    fields, start = [], _HEAD.size
    while start < len(frame):
        if start + _LENGTH.size > len(frame):
            raise Ended
        (length,) = _LENGTH.unpack_from(frame, start)
        start += _LENGTH.size + length
        if start > len(frame):
            raise Ended
        fields.append(frame[start - length : start])
    frame[:] = bytes(len(frame))
    return kind, milliseconds, fields


def receive(read_into: ReadInto) -> bytearray:
    """The next whole frame. Nobody says anything unasked, so what arrives at once belongs to one frame."""
    buffer = bytearray(_AT_ONCE)
    held, whole = 0, _HEAD.size
    while held < whole:
        count = read_into(memoryview(buffer)[held:])
        if not count:
            raise Ended
        held += count
        if held >= _LENGTH.size:
            whole = _LENGTH.size + int(_LENGTH.unpack_from(buffer)[0])
            if not _HEAD.size <= whole <= MOST_BYTES:
                raise Ended
            if whole > len(buffer):
                buffer = _grown(buffer, whole)
    if held > whole:
        raise Ended
    frame = buffer[:whole]
    buffer[:held] = bytes(held)
    return frame


def _grown(buffer: bytearray, length: int) -> bytearray:
    larger = bytearray(length)
    larger[: len(buffer)] = buffer
    buffer[:] = bytes(len(buffer))
    return larger
