"""Where the server listens: an address as a person writes it, bound; and never in clear beyond this machine unasked."""

from __future__ import annotations

import ipaddress
import re
import socket

from reconciler.errors import UsageError

_WRITTEN = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<host>[^\[\]:]+)):(?P<port>\d{1,5})")


def listen(written: str, *, is_guarded: bool) -> socket.socket:
    """A socket bound to ``HOST:PORT`` and listening; port 0 is one that is free. UsageError for what is no address, for
    one that cannot be had, and for one beyond this machine unless ``is_guarded`` (TLS, or said to be)."""
    match = _WRITTEN.fullmatch(written)
    if match is None or int(match["port"]) > 65535:
        raise UsageError(
            f'"{written}" is no address to listen on',
            suggestion="Write HOST:PORT, such as 127.0.0.1:8700 or [::1]:8700; port 0 is any that is free.",
        )
    host, port = match["six"] or match["host"], int(match["port"])
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise UsageError(
            f"{written}: {error.strerror}", suggestion="Name an address of this machine, such as 127.0.0.1:8700."
        ) from None
    if not is_guarded and not ipaddress.ip_address(str(address[0]).partition("%")[0]).is_loopback:
        raise UsageError(
            f"Without TLS, {written} would send data keys in clear to whoever listens on the network",
            suggestion="Give --tls-cert and --tls-key, or listen on 127.0.0.1 behind something that has TLS. "
            "--insecure-listen goes on all the same.",
        )
    # With its protocol named, or asyncio would not switch off the waiting for more to send (40 ms for each answer).
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.listen(2048)
        bound.setblocking(False)
    except OSError as error:
        bound.close()
        raise UsageError(
            f"{written} cannot be listened on: {error.strerror}",
            suggestion="Another process may have it: choose another with --listen, or port 0 for any that is free.",
        ) from None
    return bound


def url_of(bound: socket.socket, *, is_encrypted: bool) -> str:
    """How clients reach it."""
    host, port = bound.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    return f"{'https' if is_encrypted else 'http'}://{shown}:{port}"
