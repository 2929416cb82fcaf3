"""Who belongs to one group of scheduler, workers and commands: certificates of an authority that exists for it alone.

The authority signs once and its private key is dropped, so nobody can let anybody else in; a new group is made instead.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from reconciler.errors import UsageError
from reconciler.host import durable
from reconciler.host.sqlite import explain_os_error
from reconciler.model.ports import Fs, Random

AUTHORITY: Final = "authority.pem"
CERTIFICATE: Final = "member.pem"
KEY: Final = "member.key"
_SKEW: Final = timedelta(minutes=5)
_USES: Final = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]


def make(fs: Fs, folder: Path, *, valid_days: int, now: datetime, random: Random) -> datetime:
    """A new group in a new folder: the authority's certificate, a member's, and its private key (0600). Until when they
    hold. UsageError when there is one already, HostError."""
    try:
        if any(fs.exists(folder / name) for name in (AUTHORITY, CERTIFICATE, KEY)):
            raise UsageError(
                f"There are certificates in {folder} already, or what was left of making them",
                suggestion="Name another folder in the Provider's config, or remove that one.",
            )
        durable.make_folder(fs, folder)
        authority, member = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        name = f"reconciler workers {random.bytes(8).hex()}"
        until = now.replace(microsecond=0) + timedelta(days=valid_days)
        top = _certificate(name, name, authority, authority, now, until, random, is_authority=True)
        own = _certificate(f"{name} member", name, member, authority, now, until, random, is_authority=False)
        private = member.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        for file, content in ((AUTHORITY, _pem(top)), (CERTIFICATE, _pem(own)), (KEY, private)):
            durable.write_new(fs, folder / file, [content])
    except OSError as error:
        raise explain_os_error(error, folder, "folder for certificates") from error
    return until


def _certificate(  # noqa: PLR0917  # who, by whom, how long
    name: str,
    issuer: str,
    key: ec.EllipticCurvePrivateKey,
    signer: ec.EllipticCurvePrivateKey,
    now: datetime,
    until: datetime,
    random: Random,
    *,
    is_authority: bool,
) -> x509.Certificate:
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(int.from_bytes(random.bytes(20)) >> 1 or 1)
        .not_valid_before(now.replace(microsecond=0) - _SKEW)
        .not_valid_after(until)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=0 if is_authority else None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .add_extension(_usage(is_authority), critical=True)
    )
    if not is_authority:
        made = made.add_extension(x509.ExtendedKeyUsage(_USES), critical=False)
    return made.sign(signer, hashes.SHA256())


def _usage(is_authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_authority,
        key_cert_sign=is_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
