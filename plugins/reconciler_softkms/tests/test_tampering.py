"""Nothing but the ciphertext itself, under its own key and context, opens (I7, I8; RELIABILITY T9)."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.access.caller import Caller
from reconciler.errors import AccessDeniedException, InvalidCiphertextException, ServiceError
from reconciler.providers.keys import KeyRequest
from reconciler_softkms import SoftKms, blob
from reconciler_softkms.tests.conftest import Opened

CONTEXT = {"a": "1"}


@pytest.fixture
def sealed(provider: SoftKms, caller: Caller) -> bytes:
    key = provider.create_key(caller, KeyRequest(), token=sealed.__name__)
    return provider.encrypt(caller, key.arn, b"text", CONTEXT)


def refused(provider: SoftKms, caller: Caller, ciphertext: bytes) -> None:
    with pytest.raises(InvalidCiphertextException) as why:
        provider.decrypt(caller, ciphertext, CONTEXT)
    assert "text" not in str(why.value).replace("ciphertext", "")


def test_every_single_bit_matters(provider: SoftKms, caller: Caller, sealed: bytes) -> None:
    assert bytes(provider.decrypt(caller, sealed, CONTEXT).plaintext.expose_key_bytes()) == b"text"
    for bit in range(len(sealed) * 8):
        changed = bytearray(sealed)
        changed[bit // 8] ^= 1 << bit % 8
        refused(provider, caller, bytes(changed))


def test_every_truncation_and_any_tail_is_refused(provider: SoftKms, caller: Caller, sealed: bytes) -> None:
    for length in range(1, len(sealed)):
        refused(provider, caller, sealed[:length])
    refused(provider, caller, sealed + b"\0")
    with pytest.raises(ServiceError, match="1 to 6144 bytes"):
        provider.decrypt(caller, b"", CONTEXT)


def test_a_header_does_not_go_with_another_body(provider: SoftKms, caller: Caller) -> None:
    first, second = (provider.create_key(caller, KeyRequest(), token=f"k{n}") for n in range(2))
    texts = [provider.encrypt(caller, key.arn, b"text", CONTEXT) for key in (first, second)]
    old = provider.encrypt(caller, first.arn, b"text", CONTEXT)
    provider.rotate_key(caller, first.arn, token=f"{first.key_id} again")
    new = provider.encrypt(caller, first.arn, b"text", CONTEXT)
    for head, body in [(texts[0], texts[1]), (texts[1], texts[0]), (old, new), (new, old)]:
        refused(provider, caller, head[: blob.HEADER_BYTES] + body[blob.HEADER_BYTES :])


def test_another_store_opens_nothing_of_ours(opened: Opened, caller: Caller, sealed: bytes, tmp_path: Path) -> None:
    """Not in another Region, another account, another home; even where a key has the same id."""
    for other in (opened(region="us-east-1"), opened(where=tmp_path / "elsewhere")):
        refused(other, caller, sealed)
    abroad = Caller(principal="arn:aws:iam::444455556666:role/reader", account="444455556666")
    with pytest.raises(AccessDeniedException):
        opened(account=abroad.account).decrypt(abroad, sealed, CONTEXT)
    refused(opened(account=abroad.account, where=tmp_path / "elsewhere"), abroad, sealed)


def test_material_moved_to_another_key_does_not_open(opened: Opened, caller: Caller, provider: SoftKms) -> None:
    """Somebody who can write the store file cannot give one key another's material."""
    first, second = (provider.create_key(caller, KeyRequest(), token=f"m{n}") for n in range(2))
    ciphertext = provider.encrypt(caller, first.arn, b"text", CONTEXT)
    with provider._door.store.transaction() as connection:
        connection.execute("DELETE FROM materials WHERE key_id = ?", (first.key_id,))
        connection.execute("UPDATE materials SET key_id = ? WHERE key_id = ?", (first.key_id, second.key_id))
        connection.execute("UPDATE keys SET material_id = ? WHERE key_id = ?", (second.material_id, first.key_id))
    other = opened()
    with pytest.raises(InvalidCiphertextException):
        other.decrypt(caller, ciphertext, CONTEXT)
    with pytest.raises(Exception, match="does not open under the store key"):
        other.encrypt(caller, first.arn, b"text", CONTEXT)
