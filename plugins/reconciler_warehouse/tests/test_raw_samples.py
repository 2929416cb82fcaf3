"""Whether a block's raw bytes are ciphertext: seen for what they are, whatever part of them is in clear (I18)."""

from __future__ import annotations

import os

import pytest

from reconciler_warehouse.blocks.raw_samples import canaries, plaintext_in

KIB = 1 << 10
PLAIN = b"".join(b"%06d,a row of the table\n" % number for number in range(3 * KIB))[: 64 * KIB]


def in_clear(parts: slice, plain: bytes) -> bytes:
    """Ciphertext, but for a part."""
    stored = bytearray(os.urandom(len(plain)))
    stored[parts] = plain[parts]
    return bytes(stored)


@pytest.mark.parametrize("count", [1, 16, 31, 32, 100, 4 * KIB, 64 * KIB])
@pytest.mark.parametrize("plain", [PLAIN, bytes(64 * KIB)], ids=["rows", "zeros"])
def test_ciphertext_is_ciphertext(count: int, plain: bytes) -> None:
    stored = bytes(byte ^ 0xA5 for byte in plain[:count]) if count < 32 else os.urandom(count)
    assert plaintext_in(memoryview(stored), memoryview(plain[:count])) is None


@pytest.mark.parametrize("plain", [PLAIN, bytes(64 * KIB)], ids=["rows", "zeros"])
@pytest.mark.parametrize(
    "part",
    [slice(None), slice(16, None), slice(0, 32 * KIB), slice(32 * KIB, None), slice(0, None, 2), slice(60 * KIB, None)],
    ids=["all", "but the first bytes", "the first half", "the second half", "every other byte", "the end"],
)
def test_what_is_left_in_clear_is_seen(part: slice, plain: bytes) -> None:
    assert plaintext_in(memoryview(in_clear(part, plain)), memoryview(plain)) is not None


def test_a_few_bytes_in_clear_are_seen_when_they_are_the_block() -> None:
    assert plaintext_in(memoryview(PLAIN[:20]), memoryview(PLAIN[:20])) == "it is the plaintext"


@pytest.mark.parametrize("mark", [slice(0, 4), slice(-4, None)])
def test_parquet_in_clear_is_known_by_its_mark(mark: slice) -> None:
    stored = bytearray(os.urandom(4 * KIB))
    stored[mark] = b"PAR1"
    assert plaintext_in(memoryview(stored), memoryview(PLAIN[: 4 * KIB])) == "it carries Parquet's mark"


def test_a_value_that_moved_is_seen() -> None:
    """Plaintext at another offset than its own."""
    stored = bytearray(os.urandom(64 * KIB))
    stored[100 : 100 + 24] = canaries(PLAIN)[0]
    assert plaintext_in(memoryview(stored), memoryview(PLAIN)) == "a value of its plaintext stands in it"


def test_canaries_are_what_no_other_bytes_hold_by_chance() -> None:
    assert len(canaries(PLAIN)) == 2
    assert canaries(bytes(64 * KIB)) == canaries(b"short") == []
