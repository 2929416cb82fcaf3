"""Key pairs of the link: made, sealed, read, and handed to TLS without a file on any disk (HS4, HS9)."""

from __future__ import annotations

import os
import ssl
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from reconciler.envelope.data_key import DataKey
from reconciler.errors import HostError, InvalidCiphertextException, UsageError
from reconciler.host.memory_file import memory_file
from reconciler.testing.fakes import ManualClock, SeededRandom
from reconciler_pkcs11.certificates import (
    Certificate,
    Identity,
    Side,
    belongs,
    make_key_pair,
    open_private_key,
    private_key_pem,
    read_certificate,
    read_private_key,
    seal_private_key,
)
from reconciler_pkcs11.link.tls import client_context

NOW = ManualClock().now()
STORE_KEY = DataKey(b"s" * 32)


def made(
    name: str = "orders", *, seed: int = 0, days: int = 30, side: Side = Side.CLIENT
) -> tuple[DataKey, Certificate]:
    return make_key_pair(name, side, valid_days=days, now=NOW, random=SeededRandom(seed))


@pytest.mark.parametrize(
    ("side", "usage"),
    [(Side.CLIENT, ExtendedKeyUsageOID.CLIENT_AUTH), (Side.SERVER, ExtendedKeyUsageOID.SERVER_AUTH)],
)
def test_a_certificate_says_what_it_is_for_and_signs_no_other(side: Side, usage: x509.ObjectIdentifier) -> None:
    private, certificate = made(side=side)
    found = x509.load_pem_x509_certificate(certificate.pem.encode())
    assert list(found.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [usage]
    assert found.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    assert found.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign is False
    assert isinstance(found.public_key(), ec.EllipticCurvePublicKey)
    assert found.subject == found.issuer
    assert belongs(private, certificate)


def test_it_is_good_from_a_moment_ago_until_its_days_are_over() -> None:
    _, certificate = made(days=30)
    assert certificate.is_good(NOW)
    assert certificate.is_good(NOW - timedelta(minutes=4)), "another machine's clock may be late"
    assert not certificate.is_good(NOW - timedelta(minutes=6))
    assert certificate.is_good(NOW + timedelta(days=30))
    assert certificate.is_over(NOW + timedelta(days=30, seconds=1))


def test_no_two_are_alike() -> None:
    pairs = [made(seed=number) for number in range(3)]
    assert len({each.fingerprint for _, each in pairs}) == 3
    serials = {x509.load_pem_x509_certificate(each.pem.encode()).serial_number for _, each in pairs}
    assert len(serials) == 3
    assert not belongs(pairs[0][0], pairs[1][1])


def test_reading_gives_what_was_made() -> None:
    private, certificate = made()
    assert read_certificate(f"words before\n{certificate.pem}\nand after", "file x") == certificate
    assert read_private_key(private_key_pem(private), "file y") == private


@pytest.mark.parametrize(
    "pem",
    [
        "",
        "x" * 20_000,
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",
        "-----BEGIN CERTIFICATE-----\n\u00e9\n-----END CERTIFICATE-----",
        made()[1].pem + made(seed=1)[1].pem,
    ],
    ids=["nothing", "too long", "no DER", "no ASCII", "two"],
)
def test_what_is_not_one_certificate_is_refused_by_the_name_of_its_place(pem: str) -> None:
    with pytest.raises(UsageError, match="file x"):
        read_certificate(pem, "file x")


@pytest.mark.parametrize("pem", [b"", b"-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n"])
def test_what_is_no_private_key_is_refused_and_nothing_of_it_shown(pem: bytes) -> None:
    with pytest.raises(UsageError) as raised:
        read_private_key(pem, "file y")
    assert "c2VjcmV0" not in str(raised.value) + (raised.value.suggestion or "")
    assert raised.value.__suppress_context__


@pytest.mark.parametrize("name", ["", "n" * 65, "a\nb", "a\x1b[2J"])
def test_a_name_that_no_certificate_takes_is_refused(name: str) -> None:
    with pytest.raises(UsageError):
        made(name)


def test_a_sealed_private_key_opens_for_its_certificate_alone() -> None:
    private, certificate = made()
    sealed = seal_private_key(STORE_KEY, private, certificate, SeededRandom())
    assert bytes(private.expose_key_bytes()) not in sealed
    assert open_private_key(STORE_KEY, sealed, certificate) == private
    for key, other in ((DataKey(b"t" * 32), certificate), (STORE_KEY, made(seed=1)[1])):
        with pytest.raises(InvalidCiphertextException):
            open_private_key(key, sealed, other)


def test_neither_a_pair_nor_an_identity_shows_its_private_key() -> None:
    private, certificate = made()
    shown = repr(Identity(name="x", certificate=certificate, private=private))
    assert "DataKey(…)" in shown
    assert repr(bytes(private.expose_key_bytes()))[2:-1] not in shown


def test_tls_is_given_the_key_without_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    private, certificate = made()
    seen: list[str] = []
    real = ssl.SSLContext.load_cert_chain

    def load(self: ssl.SSLContext, path: str, **more: object) -> None:
        target = os.readlink(path)
        seen.append(target)
        real(self, path)

    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", load)
    client_context(Identity(name="x", certificate=certificate, private=private), certificate)
    assert len(seen) == 1
    assert seen[0].startswith("/memfd:")
    assert list(tmp_path.iterdir()) == []


def test_a_memory_file_is_gone_after_the_block_and_not_inherited() -> None:
    with memory_file(b"secret", "private key") as path:
        assert Path(path).read_bytes() == b"secret"
        number = int(Path(path).name)
        assert not os.get_inheritable(number)
    assert not Path(path).exists()


def test_a_system_that_has_none_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(name: str, flags: int) -> int:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(os, "memfd_create", none)
    with pytest.raises(HostError, match="private key"), memory_file(b"secret", "private key"):
        pass


def test_a_key_that_is_not_the_certificates_is_refused() -> None:
    with pytest.raises(UsageError, match="KEY_VALUES_MISMATCH"):
        client_context(Identity(name="x", certificate=made()[1], private=made(seed=1)[0]), made()[1])
