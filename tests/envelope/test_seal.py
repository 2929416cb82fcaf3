"""The sealed message: its bytes are frozen, and nothing but the right key, AAD and bytes opens it (I6–I8)."""

from __future__ import annotations

import hmac
import itertools

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from reconciler.envelope import canonical
from reconciler.envelope.data_key import DataKey
from reconciler.envelope.seal import OVERHEAD, open_key, open_sealed, seal, seal_key
from reconciler.errors import InvalidCiphertextException
from reconciler.testing.fakes import SeededRandom

KEY = bytes(range(32))
AAD = canonical.encode("example", 1, {"a": "1"})

# key, plaintext, AAD, sealed with SeededRandom("seal vector")
VECTORS = {
    "nothing": (
        KEY,
        b"",
        b"",
        (
            "6abfa7f199ce087890113ae7e867799045f5bf41826e317f0aaa08736a6f5d0a3218f068a99cadef2bdbce0344f60f07a4f4"
            "23654ea52643b8132648764c85651bfc301d09fda90c777e4b4bad62cc2a3b3684529d4f8c953029703d"
        ),
    ),
    "a text": (
        KEY,
        b"attack at dawn",
        b"",
        (
            "6abfa7f199ce087890113ae7e867799045f5bf41826e317f0aaa08736a6f5d0a3218f068a99cadef2bdbce0344f60f07a4f4"
            "23654ea52643b8132648764c85651bfc301d09fda90c777e4b4b67a492c8342317f94be646245ccdb60f387d219ef28accf5"
            "b26b8539a2f2"
        ),
    ),
    "a text with AAD": (
        KEY,
        b"attack at dawn",
        AAD,
        (
            "6abfa7f199ce087890113ae7e867799045f5bf41826e317f0aaa08736a6f5d0a3218f068a99cadef2bdbce0344f60f07a4f4"
            "23654ea52643b8132648764c85651bfc301d09fda90c777e4b4b67a492c8342317f94be646245ccd31b6b22700e6984df9fd"
            "79cd9bc29879"
        ),
    ),
    "a longer key": (
        KEY + KEY,
        b"x",
        AAD,
        (
            "6abfa7f199ce087890113ae7e867799045f5bf41826e317f0aaa08736a6f5d0a3218f068a99cadef2bdbce0362e8ca59570e"
            "eb9cfa721c72f7db65e6d9129732518e9bd0d0f08a30cc149b518a70a921e135559145f36c23155592b5e0"
        ),
    ),
}


@pytest.mark.parametrize("name", VECTORS)
def test_vectors(name: str) -> None:
    key, plaintext, aad, sealed = VECTORS[name]
    assert seal(DataKey(key), plaintext, aad, SeededRandom("seal vector")).hex() == sealed
    assert open_sealed(DataKey(key), bytes.fromhex(sealed), aad) == plaintext
    assert len(sealed) // 2 == len(plaintext) + OVERHEAD


@pytest.mark.parametrize("name", VECTORS)
def test_the_layout_is_what_is_written_of_it(name: str) -> None:
    """Made again from RFC 5869 and AES-GCM alone, without our code."""
    key, plaintext, aad, sealed = VECTORS[name]
    raw = bytes.fromhex(sealed)
    salt, nonce, commitment, rest = raw[:32], raw[32:44], raw[44:76], raw[76:]
    extracted = hmac.digest(salt, key, "sha256")
    message_key = hmac.digest(extracted, b"reconciler/seal/v1\x01", "sha256")
    assert hmac.digest(extracted, message_key + b"reconciler/seal/v1\x02", "sha256") == commitment
    assert AESGCM(message_key).encrypt(nonce, plaintext, aad) == rest


@given(st.binary(max_size=300), st.binary(max_size=60), st.binary(min_size=32, max_size=32))
def test_what_was_sealed_opens(plaintext: bytes, aad: bytes, key: bytes) -> None:
    with DataKey(key) as held:
        assert open_sealed(held, seal(held, plaintext, aad, SeededRandom(key.hex())), aad) == plaintext


def test_every_bit_matters_and_no_message_tells_why() -> None:
    sealed = seal(DataKey(KEY), b"text", AAD, SeededRandom())
    messages = set()
    changed = [
        bytes(byte ^ (1 << bit) * (at == place) for place, byte in enumerate(sealed)) for at, bit in places(sealed)
    ]
    cut = [sealed[:length] for length in range(len(sealed))]
    for wrong in itertools.chain(changed, cut, [sealed + b"\0", b"\0" + sealed]):
        with pytest.raises(InvalidCiphertextException) as refused:
            open_sealed(DataKey(KEY), wrong, AAD)
        messages.add(str(refused.value))
    assert messages == {"the ciphertext does not open"}


def places(raw: bytes) -> list[tuple[int, int]]:
    return [(at, bit) for at in range(len(raw)) for bit in range(8)]


@given(st.binary(max_size=200))
def test_whatever_comes_opens_or_is_refused(raw: bytes) -> None:
    with pytest.raises(InvalidCiphertextException):
        open_sealed(DataKey(KEY), raw, b"")


def test_another_key_or_aad_is_refused() -> None:
    sealed = seal(DataKey(KEY), b"text", AAD, SeededRandom())
    for key, aad in ((bytes(32), AAD), (KEY, b""), (KEY, AAD + b"\0"), (KEY[::-1], AAD)):
        with pytest.raises(InvalidCiphertextException):
            open_sealed(DataKey(key), sealed, aad)


def test_two_messages_share_nothing() -> None:
    """I6: each has its own salt, so its own key; the same text sealed twice has no byte string in common."""
    random = SeededRandom()
    first, second = (seal(DataKey(KEY), bytes(64), AAD, random) for _ in range(2))
    assert not set(zip(*[iter(first)] * 16, strict=False)) & set(zip(*[iter(second)] * 16, strict=False))


def test_the_commitment_is_checked_before_anything_is_decrypted() -> None:
    """I8: under a key whose commitment differs, the tag is not even looked at."""
    sealed = bytearray(seal(DataKey(KEY), b"text", AAD, SeededRandom()))
    other = seal(DataKey(bytes(32)), b"text", AAD, SeededRandom())
    sealed[44:76] = other[44:76]
    for key in (KEY, bytes(32)):
        with pytest.raises(InvalidCiphertextException):
            open_sealed(DataKey(key), bytes(sealed), AAD)


def test_a_key_under_a_key() -> None:
    parent, child = DataKey(KEY), DataKey(bytes(32))
    wrapped = seal_key(parent, child, AAD, SeededRandom())
    assert open_key(parent, wrapped, AAD) == child
    with pytest.raises(InvalidCiphertextException):
        open_key(child, wrapped, AAD)
