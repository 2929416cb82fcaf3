"""Key pairs of the trusted link and their self-signed certificates (HS4, HS9).

Self-signed on purpose: each side knows the other's certificate itself, so nobody who can issue certificates stands
between them. A private key is PKCS#8 in a ``DataKey``: it prints nowhere, and is kept only as ``seal_private_key``
gives it.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from reconciler.envelope.canonical import encode
from reconciler.envelope.data_key import DataKey
from reconciler.envelope.seal import open_key, seal_key
from reconciler.errors import UsageError
from reconciler.model.ports import Random

MOST_PEM_BYTES: Final = 16 * 1024
_SKEW: Final = timedelta(minutes=5)  # clocks of two machines differ; a new certificate is to be good at once
_PEM: Final = re.compile(r"-----BEGIN CERTIFICATE-----\s.*?-----END CERTIFICATE-----", re.DOTALL)
_SERIAL_BYTES: Final = 20
_DER: Final = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


class Side(Enum):
    """Which end of the link a certificate is for."""

    CLIENT = ExtendedKeyUsageOID.CLIENT_AUTH
    SERVER = ExtendedKeyUsageOID.SERVER_AUTH


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """A public certificate. ``fingerprint`` is the SHA-256 of its DER in hex; times are aware, in UTC."""

    pem: str
    fingerprint: str
    common_name: str
    not_before: datetime
    not_after: datetime
    public_key: bytes  # SubjectPublicKeyInfo, DER

    def is_over(self, now: datetime) -> bool:
        """Whether it has expired."""
        return now > self.not_after

    def is_good(self, now: datetime) -> bool:
        """Whether ``now`` is between its dates."""
        return self.not_before <= now <= self.not_after


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who one end of the link is: ``name`` is what its owner calls it (a HsmClientCertificate's name, a file),
    ``private`` PKCS#8 (DER) of the certificate's key."""

    name: str
    certificate: Certificate
    private: DataKey


def make_key_pair(
    common_name: str, side: Side, *, valid_days: int, now: datetime, random: Random
) -> tuple[DataKey, Certificate]:
    """A new P-256 key and the certificate that it signs for itself, valid from a moment ago for ``valid_days``.
    UsageError for a name that no certificate takes (1 to 64 characters)."""
    if not 1 <= len(common_name) <= 64 or not common_name.isprintable():
        raise UsageError(
            f"{common_name!r} cannot be the name in a certificate", suggestion="It takes 1 to 64 printable characters."
        )
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    begins = now.replace(microsecond=0)
    made = (
        x509.CertificateBuilder()
        .subject_name(who)
        .issuer_name(who)
        .public_key(key.public_key())
        .serial_number(int.from_bytes(random.bytes(_SERIAL_BYTES)) >> 1 or 1)
        .not_valid_before(begins - _SKEW)
        .not_valid_after(begins + timedelta(days=valid_days))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_only_signs(), critical=True)
        .add_extension(x509.ExtendedKeyUsage([side.value]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = DataKey(
        key.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return private, _described(made)


def read_certificate(pem: str, what: str) -> Certificate:
    """The one certificate in ``pem``. UsageError names ``what`` (a file, a field) when there is none, or several."""
    found = _PEM.findall(pem) if len(pem) <= MOST_PEM_BYTES else []
    try:
        if len(found) == 1:
            return _described(x509.load_pem_x509_certificate(found[0].encode("ascii")))
        reason = "it has none" if not found else f"it has {len(found)}"
    except (ValueError, x509.InvalidVersion) as error:  # UnicodeEncodeError is one
        reason = f"what it has cannot be read ({type(error).__name__})"
    raise UsageError(
        f"The {what} does not hold one certificate: {reason}",
        suggestion="It takes exactly one, as PEM text: -----BEGIN CERTIFICATE----- …",
    )


def private_key_pem(private: DataKey) -> bytearray:
    """The key as PEM, for whoever hands it to TLS; to be wiped."""
    wrapped = bytearray(b"-----BEGIN PRIVATE KEY-----\n")
    wrapped += base64.encodebytes(private.expose_key_bytes())
    wrapped += b"-----END PRIVATE KEY-----\n"
    return wrapped


def read_private_key(pem: bytes | bytearray, what: str) -> DataKey:
    """The private key in ``pem``, without a password. UsageError, with nothing said of what it holds."""
    try:
        key = serialization.load_pem_private_key(bytes(pem), password=None)
        return DataKey(
            key.private_bytes(
                serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
    except (ValueError, TypeError, binascii.Error):
        raise UsageError(
            f"The {what} holds no private key that can be used",
            suggestion="It takes one as PEM text, without a password: -----BEGIN PRIVATE KEY----- …",
        ) from None


def belongs(private: DataKey, certificate: Certificate) -> bool:
    """Whether the certificate is of that key."""
    key = serialization.load_der_private_key(bytes(private.expose_key_bytes()), password=None)
    return key.public_key().public_bytes(*_DER) == certificate.public_key


def seal_private_key(store_key: DataKey, private: DataKey, certificate: Certificate, random: Random) -> bytes:
    """The private key, sealed under a key of the caller's and bound to its certificate (HS4)."""
    return seal_key(store_key, private, _bound_to(certificate), random)


def open_private_key(store_key: DataKey, sealed: bytes, certificate: Certificate) -> DataKey:
    """What ``seal_private_key`` was given. InvalidCiphertextException for another key, certificate or byte."""
    return open_key(store_key, sealed, _bound_to(certificate))


def _bound_to(certificate: Certificate) -> bytes:
    return encode("reconciler/hsm/certificate", certificate.fingerprint)


def _only_signs() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def _described(found: x509.Certificate) -> Certificate:
    names = found.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return Certificate(
        pem=found.public_bytes(serialization.Encoding.PEM).decode("ascii"),
        fingerprint=found.fingerprint(hashes.SHA256()).hex(),
        common_name=str(names[0].value) if names else "",
        not_before=found.not_valid_before_utc,
        not_after=found.not_valid_after_utc,
        public_key=found.public_key().public_bytes(*_DER),
    )
