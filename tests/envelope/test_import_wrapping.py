"""Material on its way into a key service: only the holder of the private key has it back."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap_with_padding
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.envelope.data_key import DataKey
from reconciler.envelope.import_wrapping import wrap_for_import
from reconciler.errors import ReadBackFailed
from reconciler.testing.fakes import SeededRandom

SHORT = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505  # to be refused
PAIR = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def der(public: rsa.RSAPublicKey | ec.EllipticCurvePublicKey) -> bytes:
    return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@given(material=st.binary(min_size=1, max_size=3000))
@settings(max_examples=25, deadline=None)
def test_what_is_wrapped_comes_back_whole(material: bytes) -> None:
    wrapped = wrap_for_import(DataKey(material), der(PAIR.public_key()), SeededRandom())
    aes = PAIR.decrypt(wrapped[:256], padding.OAEP(padding.MGF1(SHA256()), SHA256(), None))
    assert aes_key_unwrap_with_padding(aes, wrapped[256:]) == material
    assert len(material) < 8 or material not in wrapped


def test_each_import_is_under_a_key_of_its_own() -> None:
    random, public = SeededRandom(), der(PAIR.public_key())
    first, second = (wrap_for_import(DataKey(b"k" * 32), public, random)[256:] for _ in range(2))
    assert first != second


NO_KEYS = {
    "no DER": b"nonsense",
    "an elliptic key": der(ec.generate_private_key(ec.SECP256R1()).public_key()),
    "an RSA key that is too short": der(SHORT.public_key()),
}


@pytest.mark.parametrize("case", NO_KEYS)
def test_nothing_is_wrapped_for_what_is_no_good_key(case: str) -> None:
    with pytest.raises(ReadBackFailed, match="no RSA key of 2048 bits"):
        wrap_for_import(DataKey(b"k" * 32), NO_KEYS[case], SeededRandom())
