"""Calling an agent: a connection to the right one, or the name of what is wrong with the link (PKCS11.md 5).

In TLS 1.3 a client is done with the handshake before the server has looked at its certificate; so only the first read
shows that it was refused. The agent therefore speaks first, and nothing is said to it before it did.
"""

from __future__ import annotations

import hmac
import socket
import ssl
from contextlib import ExitStack
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from reconciler.errors import HsmError, HsmFault, HsmUnavailable, UsageError
from reconciler.model.ports import Clock
from reconciler_pkcs11.certificates import Certificate, Identity
from reconciler_pkcs11.link.failures import as_error, shown
from reconciler_pkcs11.link.frames import Connection, Gone, NoFrame
from reconciler_pkcs11.link.limits import MOST_ANSWER_BYTES, Deadlines
from reconciler_pkcs11.link.messages import PROTOCOL, VERSION, Greeting, read_greeting

_EXPIRED: Final = "CERTIFICATE_EXPIRED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Which agent, and as whom: ``address`` HOST:PORT, ``server`` its pinned certificate, ``identity`` ours."""

    address: str
    server: Certificate
    identity: Identity

    @property
    def host_and_port(self) -> tuple[str, int]:
        """UsageError for what is no address."""
        host, _, port = self.address.rpartition(":")
        if not host or not port.isascii() or not port.isdecimal() or not 0 < int(port) < 65536:
            raise UsageError(
                f'"{self.address}" is not the address of an HSM agent', suggestion="Write HOST:PORT, such as hsm1:8711."
            )
        return host.removeprefix("[").removesuffix("]"), int(port)


def dial(place: Place, context: ssl.SSLContext, clock: Clock, deadlines: Deadlines) -> tuple[Connection, Greeting]:
    """A connection on which the agent has greeted us. ``context`` is of ``place`` (``tls.client_context``).
    HsmUnavailable with the link's fault; UsageError."""
    _check_dates(place, clock)
    with ExitStack() as closing:
        raw = closing.enter_context(_connect(place, deadlines.connecting))
        tls = closing.enter_context(_shake_hands(raw, context, place, deadlines.connecting))
        connection = Connection(tls)
        if not hmac.compare_digest(sha256(connection.peer_certificate).hexdigest(), place.server.fingerprint):
            raise _other_server(place, "another one")
        greeting = _greeting(connection, place, deadlines.reading)
        closing.pop_all()
    return connection, greeting


def _check_dates(place: Place, clock: Clock) -> None:
    now = clock.now()
    ours, theirs = place.identity.certificate, place.server
    if not ours.is_good(now):
        is_over = ours.is_over(now)
        raise HsmUnavailable(
            f"The client certificate {place.identity.name} "
            + (f"expired on {ours.not_after:%Y-%m-%d}" if is_over else f"is not valid before {ours.not_before:%c}"),
            fault=HsmFault.CLIENT_CERT_EXPIRED if is_over else HsmFault.CLIENT_CERT_REJECTED,
            detail=f"Nothing was sent to the HSM agent at {place.address}.",
            suggestion="Make another HsmClientCertificate, register it at the HSM, and let the HsmPartition name it."
            if is_over
            else "See that this machine's clock is right.",
        )
    if theirs.is_over(now):
        raise HsmUnavailable(
            f"The pinned certificate of the HSM agent at {place.address} expired on {theirs.not_after:%Y-%m-%d}",
            fault=HsmFault.SERVER_CERT_MISMATCH,
            suggestion="Have the HSM's operator make another (reconciler hsm-agent init), and put it into "
            "serverCertificate of the HsmPartition.",
        )


def _connect(place: Place, seconds: float) -> socket.socket:
    try:
        return socket.create_connection(place.host_and_port, seconds)
    except OSError as error:
        reason = "it did not answer" if isinstance(error, TimeoutError) else error.strerror or "no such host"
        raise _unreachable(place, reason) from None


def _shake_hands(raw: socket.socket, context: ssl.SSLContext, place: Place, seconds: float) -> ssl.SSLSocket:
    raw.settimeout(seconds)
    try:
        return context.wrap_socket(raw)
    except ssl.SSLCertVerificationError as error:
        raise _other_server(place, error.verify_message) from None
    except TimeoutError:
        raise timed_out(place.address, "TLS") from None
    except ssl.SSLEOFError:
        raise _unreachable(place, "it closed the connection before TLS was up") from None
    except ssl.SSLError as error:
        if was_refused(error):
            raise _refused(place, error) from None
        raise _unreachable(place, f"what listens there does not speak TLS 1.3 as we do ({error.reason})") from None
    except OSError:
        raise _unreachable(place, "it closed the connection before TLS was up") from None


def _greeting(connection: Connection, place: Place, seconds: float) -> Greeting:
    try:
        greeting = read_greeting(connection.receive(MOST_ANSWER_BYTES, first=seconds, rest=seconds))
    except TimeoutError:
        raise timed_out(place.address, "its greeting") from None
    except ssl.SSLError as error:
        raise (_refused(place, error) if was_refused(error) else closed(place.address)) from None
    except (OSError, Gone):
        raise closed(place.address) from None
    except NoFrame:
        raise strange(place.address) from None
    if greeting.failure is not None:
        raise as_error(greeting.failure)
    if connection.protocol != PROTOCOL or VERSION not in greeting.versions:
        known = ", ".join(map(str, greeting.versions)) or "none"
        raise HsmError(
            f"The HSM agent at {place.address} ({shown(greeting.agent)}) speaks versions of the protocol that this one "
            f"does not: {known}, not {VERSION}",
            fault=HsmFault.REFUSED,
            suggestion="Use the same version of reconciler on both sides.",
        )
    return greeting


def was_refused(error: ssl.SSLError) -> bool:
    """Whether the other side ended TLS because of what we showed it."""
    return "ALERT" in (error.reason or "") and "PROTOCOL_VERSION" not in (error.reason or "")


def _refused(place: Place, error: ssl.SSLError) -> HsmUnavailable:
    is_over = _EXPIRED in (error.reason or "")
    name = place.identity.name
    return HsmUnavailable(
        f"The HSM agent at {place.address} does not accept the client certificate {name}: "
        + ("it has expired by its clock" if is_over else f"it is not registered there ({error.reason})"),
        fault=HsmFault.CLIENT_CERT_EXPIRED if is_over else HsmFault.CLIENT_CERT_REJECTED,
        detail=f"Its SHA-256 is {place.identity.certificate.fingerprint}.",
        suggestion=f"Register this certificate at the HSM: reconciler show HsmClientCertificate/{name} --pem",
    )


def _other_server(place: Place, why: str) -> HsmUnavailable:
    return HsmUnavailable(
        f"What answers at {place.address} does not show the pinned certificate of the HSM agent ({why})",
        fault=HsmFault.SERVER_CERT_MISMATCH,
        detail=f"The pinned one has the SHA-256 {place.server.fingerprint}. Nothing was said to it.",
        suggestion="If the HSM's operator says that it was renewed, put the new one into serverCertificate of the "
        "HsmPartition. If not, somebody stands between you and the HSM.",
    )


def _unreachable(place: Place, reason: str) -> HsmUnavailable:
    return HsmUnavailable(
        f"No HSM agent can be reached at {place.address}: {reason}",
        fault=HsmFault.UNREACHABLE,
        suggestion="See that reconciler hsm-agent runs there, that the address is its own, and that a firewall lets "
        "this machine through.",
    )


def closed(address: str, *, is_unknown: bool = False) -> HsmUnavailable:
    """The agent hung up. ``is_unknown``: in the middle of something that it may or may not have done."""
    return HsmUnavailable(
        f"The HSM agent at {address} closed the connection"
        + (": whether it did what was asked is unknown" if is_unknown else ""),
        fault=HsmFault.CLOSED,
        detail="What was asked for is looked for by its id before it is asked for again." if is_unknown else None,
        suggestion="TLS is up, so the agent or what stands behind it ended: its output says why.",
    )


def timed_out(address: str, what: str, *, is_unknown: bool = False) -> HsmUnavailable:
    """The agent said nothing in time."""
    return HsmUnavailable(
        f"The HSM agent at {address} did not answer in time ({what})"
        + (": whether it did what was asked is unknown" if is_unknown else ""),
        fault=HsmFault.TIMEOUT,
        suggestion="Its process may be stopped, or its HSM hang: its output says what it waits for.",
    )


def strange(address: str) -> HsmUnavailable:
    """The agent said something that is not of the protocol."""
    return HsmUnavailable(
        f"The HSM agent at {address} answered with something that is not of the protocol",
        fault=HsmFault.CLOSED,
        suggestion="Use the same version of reconciler on both sides.",
    )
