"""A wrapped data key, byte by byte: what was written once opens for ever, and by other readers than ours (HS2)."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import aes_key_wrap_with_padding
from cryptography.hazmat.primitives.padding import PKCS7

from reconciler.envelope.data_key import DataKey
from reconciler.providers.hsm import Suite
from reconciler_pkcs11 import blob
from reconciler_pkcs11.cryptoki.constants import Attribute
from reconciler_pkcs11.tests.elsewhere import elsewhere
from reconciler_pkcs11.tests.opening import AAD, data_key, open_local
from reconciler_pkcs11.tests.partition_contract import generated
from reconciler_pkcs11.tests.tokens import Tokens
from reconciler_pkcs11.token import kwp
from reconciler_pkcs11.token.cbc_hmac import mac_id

KEY_ID = "00112233445566778899aabbccddeeff"
KEY, MAC_KEY, DATA = bytes(range(32)), bytes(range(32, 64)), bytes(range(64, 96))
BOUND_CONTEXT = b"the context of the golden ones"

# Made by ``cryptography`` as ``independent`` below says. Never to be made anew: such blobs stand in key rings.
GOLDEN = {
    Suite.GCM: (
        "010100112233445566778899aabbccddeeff6969696969696969696969697d9843a3baa8019d5be4e376b45d21a98712"
        "a86baab77d855b253fdb1ac39e2430c04bb2e0b2e5227a1bedf3c9d902dd"
    ),
    Suite.KWP: (
        "010200112233445566778899aabbccddeeff0ca31654c128575022b14670b2e7842d55a0127aa8f03da3354f8e74d82a"
        "0ad9210125bc9cc1565a06351ceda7327216ac80ae4485503f2b34cf6ea77494c09144c7e141325984bc"
    ),
    Suite.CBC_HMAC: (
        "010300112233445566778899aabbccddeeff69696969696969696969696969696969a8135100dba62b5261f3113ccf73"
        "d77f9ca6c05bb39dbd78ddb27e966f0e49544920e50ade5a31c0ca78cbe2a53292eea414a179e4e21f6f9d32675f72f4"
        "90b683e839b5404e83692130f4060684bc06"
    ),
}


def independent(suite: Suite) -> bytes:
    """What blob.py documents, composed here a second time."""
    header = bytes((1, {Suite.GCM: 1, Suite.KWP: 2, Suite.CBC_HMAC: 3}[suite])) + bytes.fromhex(KEY_ID)
    bound = header + BOUND_CONTEXT
    if suite is Suite.GCM:
        return header + b"i" * 12 + AESGCM(KEY).encrypt(b"i" * 12, DATA, bound)
    if suite is Suite.KWP:
        return header + aes_key_wrap_with_padding(KEY, hashlib.sha256(bound).digest() + DATA)
    padding, encryption = PKCS7(128).padder(), Cipher(algorithms.AES(KEY), modes.CBC(b"i" * 16)).encryptor()
    sealed = b"i" * 16 + encryption.update(padding.update(DATA) + padding.finalize()) + encryption.finalize()
    signed = len(bound).to_bytes(8, "big") + bound + sealed
    return header + sealed + hmac.digest(MAC_KEY, signed, "sha256")


@pytest.mark.parametrize("suite", list(Suite))
def test_the_golden_blobs_are_what_the_format_says(suite: Suite) -> None:
    assert independent(suite).hex() == GOLDEN[suite]


@pytest.mark.parametrize("suite", list(Suite))
@pytest.mark.parametrize("name", ["a", "nss"])
def test_a_token_opens_the_golden_blobs(tokens: Tokens, name: str, suite: Suite) -> None:
    uses = [Attribute.WRAP, Attribute.UNWRAP] if suite is Suite.KWP else [Attribute.ENCRYPT, Attribute.DECRYPT]
    label = b"reconciler/cluster/golden".hex()
    elsewhere(
        tokens,
        name,
        {"do": "create", "label": label, "id": KEY_ID, "value": KEY.hex(), "uses": uses},
        {
            "do": "create",
            "label": b"reconciler/mac/golden".hex(),
            "id": mac_id(KEY_ID),
            "value": MAC_KEY.hex(),
            "uses": [Attribute.SIGN],
            "generic": True,
        },
    )
    partition = open_local(tokens, name)

    assert partition.unwrap(bytes.fromhex(GOLDEN[suite]), BOUND_CONTEXT) == DataKey(DATA)
    partition.close()


def test_python_pkcs11_opens_what_we_wrapped(tokens: Tokens, tmp_path: Path) -> None:
    python_pkcs11_opens(tokens, "a", tuple(Suite), tmp_path)


def python_pkcs11_opens(tokens: Tokens, name: str, suites: tuple[Suite, ...], folder: Path) -> None:
    partition, blobs, keys = open_local(tokens, name), [], []
    for suite in suites:
        key_id = generated(partition, suite)
        keys.append(data_key())
        sealed = partition.wrap(key_id, suite, keys[-1], AAD)
        blobs.append({"blob": sealed.hex(), "aad": AAD.hex(), "mac": mac_id(key_id)})
    partition.close()
    token, module = tokens[name], tokens.module_of(name)

    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("reader.py"))],
        input=json.dumps({"module": str(module.path), "label": token.label, "pin": token.pin, "blobs": blobs}).encode(),
        env={"PATH": os.defpath, **module.environment},
        cwd=folder,
        capture_output=True,
        check=False,
        timeout=60,
    )

    assert done.returncode == 0, done.stderr.decode()[-2000:]
    assert json.loads(done.stdout) == [bytes(key.expose_key_bytes()).hex() for key in keys]


def test_the_known_answer_of_the_key_wrap_is_rfc_5649s() -> None:
    # RFC 5649, section 6: what ``cryptography`` calls key wrap with padding is that.
    key = bytes.fromhex("5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8")
    assert (
        aes_key_wrap_with_padding(key, bytes.fromhex("c37b7e6492584340bed12207808941155068f738")).hex()
        == "138bdeaa9b8fa7fc61f97742e72248ee5ae6ae5360d1ae6a5f54f373fa543b6a"
    )
    assert aes_key_wrap_with_padding(kwp.KNOWN_KEY, kwp.KNOWN_DATA) == kwp.KNOWN_WRAPPED


@pytest.mark.parametrize("key_id", ["", "00", KEY_ID + "00", KEY_ID[:-1], KEY_ID.replace("00", "0 0", 1)])
def test_an_id_that_is_not_sixteen_bytes_of_hex_makes_no_header(key_id: str) -> None:
    with pytest.raises(ValueError, match=r"32 hex digits|hexadecimal"):
        blob.header("gcm", key_id)


def test_a_header_is_read_as_it_was_made() -> None:
    for suite in Suite:
        made = blob.header(suite, KEY_ID) + b"body"
        read = blob.read(made)
        assert (read.suite, read.key_id, read.header + read.body) == (suite, KEY_ID, made)
