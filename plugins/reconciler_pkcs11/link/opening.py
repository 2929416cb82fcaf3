"""A partition behind an agent, reached the way that its configuration says (HS5)."""

from __future__ import annotations

from collections.abc import Callable

from reconciler.errors import UsageError
from reconciler_pkcs11.certificates import read_certificate
from reconciler_pkcs11.link.dialling import Place
from reconciler_pkcs11.link.limits import Deadlines
from reconciler_pkcs11.link.remote import RemotePartition
from reconciler_pkcs11.reaching import Way


def open_remote(way: Way, pin: Callable[[], bytearray], *, deadlines: Deadlines | None = None) -> RemotePartition:
    """Connected and logged in. It asks ``pin`` again when the connection was lost; the client's private key may be
    wiped afterwards. HsmUnavailable, HsmError; UsageError for a way that lacks something."""
    if way.address is None or way.server_certificate is None or way.client is None:
        raise UsageError(
            f"The HSM partition {way.place} lacks what an agent is reached with",
            suggestion="Give it address, serverCertificate and clientCertificate.",
        )
    place = Place(
        address=way.address,
        server=read_certificate(way.server_certificate, f"serverCertificate of {way.place}"),
        identity=way.client,
    )
    opened = RemotePartition(place, pin, clock=way.clock, random=way.random, deadlines=deadlines)
    try:
        opened.log_in()
    except BaseException:
        opened.close()
        raise
    return opened
