"""One message of the link on the wire, and a connection that says and hears them.

A frame, all numbers big-endian::

    length of all that follows 4 | length of the head 4 | head (JSON, UTF-8) | body (secrets and blobs, as they are)

What is secret is in the body alone: it is read into a buffer that its reader can wipe, where JSON would leave strings.
"""

from __future__ import annotations

import select
import socket
import ssl
import struct
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

_LENGTHS: Final = struct.Struct(">II")
_PIECE: Final = 64 * 1024


class NoFrame(Exception):
    """What arrived is no frame of ours: too long, lengths that do not fit, or cut off."""


class Gone(Exception):
    """The other side closed the connection. ``between``: not in the middle of a frame."""

    def __init__(self, *, between: bool) -> None:
        super().__init__("closed")
        self.between = between


@dataclass(slots=True)
class Frame:
    """``head`` is JSON text, ``body`` bytes."""

    head: bytes
    body: bytearray = field(default_factory=bytearray)

    def wipe(self) -> None:
        """Overwrite the body."""
        self.body[:] = bytes(len(self.body))


class Connection:
    """Frames over a connected socket, each within a time. Used by one thread at a time; only ``hang_up`` may be called
    by another. Every call raises TimeoutError, Gone, NoFrame, or OSError (ssl.SSLError is one)."""

    def __init__(self, tls: ssl.SSLSocket) -> None:
        self._tls = tls
        with suppress(OSError):
            # Without it each small answer waits for the other side's acknowledgement: 54 ms instead of half of one.
            tls.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            tls.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    @property
    def peer_certificate(self) -> bytes:
        """The other side's certificate (DER), empty when it has shown none."""
        return self._tls.getpeercert(binary_form=True) or b""

    @property
    def protocol(self) -> str | None:
        """What was agreed on by ALPN."""
        return self._tls.selected_alpn_protocol()

    def send(self, frame: Frame, seconds: float) -> None:
        """All of it."""
        end = time.monotonic() + seconds
        length = _LENGTHS.size - 4 + len(frame.head) + len(frame.body)
        whole = bytearray(_LENGTHS.pack(length, len(frame.head)) + frame.head) + frame.body
        try:
            rest = memoryview(whole)
            while rest:
                self._tls.settimeout(_left(end))
                rest = rest[self._tls.send(rest[:_PIECE]) :]
        finally:
            rest.release()
            whole[:] = bytes(len(whole))

    def receive(self, most: int, *, first: float, rest: float) -> Frame:
        """The next one, of at most ``most`` bytes. Its first byte is waited for ``first`` seconds, what follows has to
        come within ``rest``: nobody holds us up by sending slowly."""
        lengths = bytearray(_LENGTHS.size)
        self._fill(memoryview(lengths)[:1], time.monotonic() + first, between=True)
        end = time.monotonic() + rest
        self._fill(memoryview(lengths)[1:], end)
        length, head_length = _LENGTHS.unpack(lengths)
        if length - 4 > most or head_length > length - 4 or length < 4:
            raise NoFrame
        content = bytearray(length - 4)
        self._fill(memoryview(content), end)
        frame = Frame(bytes(memoryview(content)[:head_length]), content[head_length:])
        content[:] = bytes(len(content))
        return frame

    def _fill(self, buffer: memoryview, end: float, *, between: bool = False) -> None:
        done = 0
        while done < len(buffer):
            self._tls.settimeout(_left(end))
            try:
                count = self._tls.recv_into(buffer[done:])
            except (ssl.SSLEOFError, ConnectionError):
                raise Gone(between=between and not done) from None
            if not count:
                raise Gone(between=between and not done)
            done += count

    def has_something(self) -> bool:
        """Whether there is anything to read now (an end is), which nobody asked for."""
        return self._tls.pending() > 0 or is_readable(self._tls)

    def hang_up(self) -> None:
        """Let a thread that waits here hear an end. TLS's own state is left alone, so that no other thread ever writes
        in clear to what was a TLS connection."""
        with suppress(OSError):
            socket.socket.shutdown(self._tls, socket.SHUT_RDWR)

    def close(self) -> None:
        """Give it back."""
        self.hang_up()
        with suppress(OSError):
            self._tls.close()


def is_readable(connection: socket.socket) -> bool:
    """Whether a read would not wait."""
    asking = select.poll()
    asking.register(connection, select.POLLIN)
    return bool(asking.poll(0))


def _left(end: float) -> float:
    """Seconds until ``end``. TimeoutError when it is past (a timeout of 0 would mean: do not wait at all)."""
    left = end - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
