"""What the two ends say to each other: a kind, a length, and so many bytes. Imported by the child, too: nothing of ours
may be imported here."""

from __future__ import annotations

import socket
import struct
from typing import Final

READ: Final = 1  # child: an offset and a count; parent: the bytes
UNWRAP: Final = 2  # child: JSON of a wrapped key and its master key's id; parent: the key
REFUSED: Final = 3  # parent: what was asked for is not to be had
SCHEMA: Final = 4  # child: the Arrow schema, as IPC
ROWS: Final = 5  # parent: JSON of the columns that are wanted; child: some bytes of an IPC stream
FAILED: Final = 6  # child: JSON of what is wrong with the file
END: Final = 7  # child: all was said

PLACE: Final = struct.Struct(">QI")
_HEAD: Final = struct.Struct(">BI")
LONGEST: Final = 64 << 20


def send(channel: socket.socket, kind: int, body: bytes | bytearray | memoryview = b"") -> None:
    """One frame; OSError when nobody is there any more."""
    channel.sendall(_HEAD.pack(kind, len(body)))
    if body:
        channel.sendall(body)


def receive(channel: socket.socket) -> tuple[int, bytearray]:
    """The next frame. EOFError when the other end is gone, ValueError for what is none."""
    kind, length = _HEAD.unpack(_exactly(channel, _HEAD.size))
    if length > LONGEST:
        raise ValueError("a frame that is too long")
    return kind, _exactly(channel, length)


def _exactly(channel: socket.socket, count: int) -> bytearray:
    found = bytearray(count)
    view = memoryview(found)
    while view:
        got = channel.recv_into(view)
        if not got:
            raise EOFError
        view = view[got:]
    return found
