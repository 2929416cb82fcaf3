"""A block opens with its own entry, at its own place, and not otherwise."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from reconciler.envelope.blocks import ENTRY_BYTES, check_block, hash_block, open_block, seal_block
from reconciler.envelope.canonical import encode
from reconciler.errors import InvalidCiphertextException
from reconciler.testing.fakes import SeededRandom

ORIGIN = encode("format", "cluster", "table", "segment")


def sealed(plain: bytes, index: int, origin: bytes = ORIGIN) -> tuple[bytes, bytes]:
    out = bytearray(len(plain) + 16)
    entry = seal_block(memoryview(plain), memoryview(out), origin, index, SeededRandom(index))
    return bytes(out[: len(plain)]), entry


def opened(ciphertext: bytes, entry: bytes, index: int, origin: bytes = ORIGIN) -> bytes:
    room = bytearray(ciphertext + bytes(16))
    out = bytearray(len(ciphertext))
    open_block(memoryview(room), memoryview(out), entry, origin, index)
    return bytes(out)


@given(plain=st.binary(min_size=1, max_size=300), index=st.integers(0, 2**40))
def test_a_block_opens_to_what_was_sealed_and_keeps_its_size(plain: bytes, index: int) -> None:
    ciphertext, entry = sealed(plain, index)
    assert len(ciphertext) == len(plain)
    assert len(entry) == ENTRY_BYTES
    assert opened(ciphertext, entry, index) == plain


def test_the_format_is_aes_256_gcm_with_the_index_as_nonce() -> None:
    """What a reader of thirty lines needs to know; a change here is a new format."""
    ciphertext, entry = sealed(b"flights", 3)
    aad = ORIGIN + b"I" + (8).to_bytes(4, "big") + (3).to_bytes(8, "big")
    assert AESGCM(entry[:32]).decrypt((3).to_bytes(12, "big"), ciphertext + entry[32:], aad) == b"flights"


def test_two_blocks_never_share_a_key() -> None:
    random = SeededRandom("one generator")
    out = memoryview(bytearray(4 + 16))
    keys = {seal_block(memoryview(b"same"), out, ORIGIN, 0, random)[:32] for _ in range(100)}
    assert len(keys) == 100


@given(st.data())
def test_any_flipped_bit_is_refused(data: st.DataObject) -> None:
    ciphertext, entry = sealed(b"sixteen bytes ok", 0)
    both = bytearray(ciphertext + entry)
    bit = data.draw(st.integers(0, len(both) * 8 - 1))
    both[bit // 8] ^= 1 << bit % 8
    with pytest.raises(InvalidCiphertextException):
        opened(bytes(both[: len(ciphertext)]), bytes(both[len(ciphertext) :]), 0)


@pytest.mark.parametrize(
    ("index", "origin"),
    [
        (1, ORIGIN),
        (0, encode("format", "cluster", "table", "other")),
        (0, encode("format", "other", "table", "segment")),
    ],
    ids=["another place", "another segment", "another cluster"],
)
def test_a_block_does_not_open_elsewhere(index: int, origin: bytes) -> None:
    ciphertext, entry = sealed(b"payload", 0)
    with pytest.raises(InvalidCiphertextException):
        opened(ciphertext, entry, index, origin)


def test_a_plain_block_is_bound_to_its_bytes_and_place() -> None:
    entry = hash_block(memoryview(b"plain"), ORIGIN, 7)
    check_block(memoryview(b"plain"), entry, ORIGIN, 7)
    for content, origin, index in ((b"plaim", ORIGIN, 7), (b"plain", ORIGIN, 8), (b"plain", ORIGIN + b"x", 7)):
        with pytest.raises(InvalidCiphertextException):
            check_block(memoryview(content), entry, origin, index)


def test_messages_name_no_key_material() -> None:
    ciphertext, entry = sealed(b"payload", 5)
    with pytest.raises(InvalidCiphertextException) as refused:
        opened(ciphertext, entry, 6)
    assert str(refused.value) == "block 6 does not open"
