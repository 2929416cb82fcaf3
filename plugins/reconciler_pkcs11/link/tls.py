"""TLS as both ends have it: 1.3 alone, a certificate each, no session taken up again, no name or issuer that counts."""

from __future__ import annotations

import ssl
from collections.abc import Iterable

from reconciler.errors import UsageError
from reconciler.host.memory_file import memory_file
from reconciler_pkcs11.certificates import Certificate, Identity, private_key_pem
from reconciler_pkcs11.link.messages import PROTOCOL


def client_context(identity: Identity, server: Certificate) -> ssl.SSLContext:
    """For whoever calls: it shows ``identity``'s certificate and takes ``server``'s and no other."""
    return _context(ssl.PROTOCOL_TLS_CLIENT, identity, [server])


def server_context(identity: Identity, clients: Iterable[Certificate]) -> ssl.SSLContext:
    """For the agent: it shows ``identity``'s and takes those of ``clients``. Without any, it takes nobody's."""
    context = _context(ssl.PROTOCOL_TLS_SERVER, identity, clients)
    context.num_tickets = 0  # a session that is taken up again would not show its certificate again
    return context


def _context(protocol: int, identity: Identity, others: Iterable[Certificate]) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False  # the pin is the certificate itself, stricter than a name in it
    context.verify_mode = ssl.CERT_REQUIRED  # dates are checked, too
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # these very certificates, whoever signed them
    context.set_alpn_protocols([PROTOCOL])
    pins = "".join(each.pem for each in others)
    if pins:
        context.load_verify_locations(cadata=pins)
    _load(context, identity)
    return context


def _load(context: ssl.SSLContext, identity: Identity) -> None:
    """OpenSSL takes a private key from a file alone, so it is given one that is in memory only: an encrypted file on
    disk would be safe as well, but has to be removed, and a killed process removes nothing."""
    pem = private_key_pem(identity.private)
    pem += identity.certificate.pem.encode("ascii")
    try:
        with memory_file(pem, f"private key of {identity.name}") as path:
            context.load_cert_chain(path, password=_no_password)
    except (ssl.SSLError, ValueError) as error:
        reason = error.reason if isinstance(error, ssl.SSLError) else "it has a password"
        raise UsageError(
            f"The certificate {identity.name} and its private key cannot be used for TLS: {reason}",
            suggestion="They have to belong to each other: make both anew.",
        ) from None
    finally:
        pem[:] = bytes(len(pem))


def _no_password() -> str:
    raise ValueError("the private key has a password")
