"""The ciphertext blob's layout is frozen: these bytes open for ever (DESIGN 5, KM4)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.envelope import seal
from reconciler.envelope.data_key import DataKey
from reconciler.errors import InvalidCiphertextException
from reconciler.testing.fakes import SeededRandom
from reconciler_softkms import blob

MATERIAL = DataKey(bytes(range(32)))
CONTEXT = {"aws:redshift:arn": "arn:aws:redshift:eu-west-1:111122223333:cluster:one", "ä": "ö"}
HEADER = blob.Header("0f0f0f0f-1111-4222-8333-444455556666", "ab" * 32)
MULTI_REGION = blob.Header("mrk-0f0f0f0f11114222833344445555666a", "cd" * 32)

# header, encryption context, plaintext, the blob in hex (made with SeededRandom("blob vector"))
VECTORS = {
    "a key id that is a UUID, with context": (
        HEADER,
        CONTEXT,
        b"a data key of thirty-two bytes!!",
        "524b4d5301000f0f0f0f111142228333444455556666abababababababababababababababababababababababababababab"
        "ababababd2e7e60296a4b5dabb350b4b683ecfb75a20faf96a06bddd4e35d1aec1a627408ee487f0457a0d215ab05561789a"
        "d113f92e883833db90e0e26d402c70ea8390f3e2253f6a615fdc1cc65f65df0e672b8563dec7f649910da11ca6279603f14e"
        "779fe95bd79fc8b8c81b8c56cf42735575d5b16560a69e8fda47acf5",
    ),
    "a multi-Region key, without context": (
        MULTI_REGION,
        {},
        b"x",
        "524b4d5301010f0f0f0f11114222833344445555666acdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd"
        "cdcdcdcdd2e7e60296a4b5dabb350b4b683ecfb75a20faf96a06bddd4e35d1aec1a627408ee487f0457a0d215ab05561789a"
        "d113f92e883833db90e0e26d402c70ea8390f3e2253f6a615fdc1cc65f65c692d4628174e20bcd445de59ce7f08407",
    ),
}


@pytest.mark.parametrize("name", VECTORS)
def test_vectors(name: str) -> None:
    header, context, plaintext, expected = VECTORS[name]
    raw = header.encode()
    made = raw + seal.seal(MATERIAL, plaintext, blob.aad(raw, context), SeededRandom("blob vector"))
    assert made.hex() == expected
    found, sealed = blob.parse(bytes.fromhex(expected))
    assert found == header
    assert seal.open_sealed(MATERIAL, sealed, blob.aad(raw, context)) == plaintext


def test_layout() -> None:
    raw = HEADER.encode()
    assert len(raw) == blob.HEADER_BYTES == 54
    assert (raw[:4], raw[4], raw[5]) == (b"RKMS", 1, 0)
    assert raw[6:22].hex() == HEADER.key_id.replace("-", "")
    assert raw[22:].hex() == HEADER.material_id
    assert MULTI_REGION.encode()[5] == 1


@given(st.binary(max_size=200))
def test_whatever_comes_is_a_blob_or_one_refusal(raw: bytes) -> None:
    for text in (raw, HEADER.encode() + raw):
        try:
            header, sealed = blob.parse(text)
        except InvalidCiphertextException:
            continue
        assert header.encode() + sealed == text
