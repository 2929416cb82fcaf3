"""Sign, Verify, GenerateMac, VerifyMac, GetPublicKey, DeriveSharedSecret: exactly as the standards have them."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key
from hypothesis import given
from hypothesis import strategies as st

from reconciler.access.caller import Caller
from reconciler.errors import (
    InvalidKeyUsageException,
    KMSInvalidMacException,
    KMSInvalidSignatureException,
    NotFoundException,
    ValidationException,
)
from reconciler.providers.keys import KeyRequest
from reconciler.testing.fakes import ManualClock
from reconciler_softkms import SoftKms
from reconciler_softkms.specs import algorithms
from reconciler_softkms.tests.asking import Client, operation_model
from reconciler_softkms.tests.every_key import KINDS, EveryKey

SIGNING = [(name, algorithm) for name, kind in KINDS.items() for algorithm in algorithms(*kind).signing]
MACS = [(name, algorithm) for name, kind in KINDS.items() for algorithm in algorithms(*kind).mac]
AGREEING = ["agreeing", "agreeing-384", "agreeing-521"]
HASHES: dict[str, hashes.HashAlgorithm] = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
EACH = pytest.mark.parametrize(("name", "algorithm"), SIGNING)


def digest(algorithm: str, message: bytes) -> bytes:
    return hashlib.new(f"sha{algorithm[-3:]}", message).digest()


def public_key(every_key: EveryKey, name: str) -> Any:
    return load_der_public_key(every_key.ask("GetPublicKey", KeyId=f"alias/{name}")["PublicKey"])


@EACH
def test_a_signature_is_valid_here_and_by_the_public_key(every_key: EveryKey, name: str, algorithm: str) -> None:
    asked = {"KeyId": f"alias/{name}", "SigningAlgorithm": algorithm}
    public, hashed = public_key(every_key, name), HASHES[algorithm[-3:]]
    for kind, message in (("RAW", b"text"), ("RAW", bytes(4096)), ("DIGEST", digest(algorithm, b"text"))):
        made = every_key.ask("Sign", Message=message, MessageType=kind, **asked)
        assert made["KeyId"] == every_key.arns[name]
        assert made["SigningAlgorithm"] == algorithm
        raw = b"text" if kind == "DIGEST" else message
        if isinstance(public, ec.EllipticCurvePublicKey):
            public.verify(made["Signature"], raw, ec.ECDSA(hashed))
        elif "PSS" in algorithm:
            pss = padding.PSS(mgf=padding.MGF1(hashed), salt_length=hashed.digest_size)
            public.verify(made["Signature"], raw, pss, hashed)
        else:
            public.verify(made["Signature"], raw, padding.PKCS1v15(), hashed)
        both = {"RAW": raw, "DIGEST": digest(algorithm, raw)}
        for other, shape in both.items():
            answer = every_key.ask("Verify", Message=shape, MessageType=other, Signature=made["Signature"], **asked)
            assert answer["SignatureValid"] is True


@EACH
def test_a_signature_of_anything_else_is_refused(every_key: EveryKey, name: str, algorithm: str) -> None:
    asked = {"KeyId": f"alias/{name}", "SigningAlgorithm": algorithm}
    signature = every_key.ask("Sign", Message=b"text", **asked)["Signature"]
    wrong = [signature[:at] + bytes([signature[at] ^ 1]) + signature[at + 1 :] for at in range(0, len(signature), 16)]
    for each in (*wrong, signature[:-1], signature + b"\0", b"\0", bytes(len(signature))):
        with pytest.raises(KMSInvalidSignatureException):
            every_key.ask("Verify", Message=b"text", Signature=each, **asked)
    for message in (b"texts", b"Text", digest(algorithm, b"text")):
        with pytest.raises(KMSInvalidSignatureException):
            every_key.ask("Verify", Message=message, Signature=signature, **asked)
    assert every_key.last_event()["errorCode"] == "KMSInvalidSignatureException"


@EACH
def test_a_digest_has_the_length_of_the_algorithms(every_key: EveryKey, name: str, algorithm: str) -> None:
    asked = {"KeyId": f"alias/{name}", "SigningAlgorithm": algorithm, "MessageType": "DIGEST"}
    for message in (b"text", digest(algorithm, b"text") + b"\0", digest(algorithm, b"text")[:-1]):
        with pytest.raises(ValidationException, match=f"^Digest is invalid length for algorithm {algorithm}"):
            every_key.ask("Sign", Message=message, **asked)
        with pytest.raises(ValidationException, match="Digest is invalid length"):
            every_key.ask("Verify", Message=message, Signature=b"x", **asked)


def test_a_key_signs_with_its_own_algorithms_only(every_key: EveryKey) -> None:
    """Those that the model lists and no key has are refused for what they are, too."""
    every = operation_model("Sign").input_shape.members["SigningAlgorithm"].enum
    for name, (spec, usage) in KINDS.items():
        for algorithm in set(every) - set(algorithms(spec, usage).signing):
            if usage == "SIGN_VERIFY":
                with pytest.raises(InvalidKeyUsageException, match=f"{algorithm} is incompatible with key spec {spec}"):
                    every_key.ask("Sign", KeyId=f"alias/{name}", Message=b"text", SigningAlgorithm=algorithm)
    with pytest.raises(ValidationException, match="EXTERNAL_MU"):
        every_key.ask(
            "Sign", KeyId="alias/p256", Message=b"x", MessageType="EXTERNAL_MU", SigningAlgorithm="ECDSA_SHA_256"
        )


def test_an_ecdsa_signature_has_one_encoding(every_key: EveryKey) -> None:
    """DER, and nothing that only some readers take for it; r and s in their range."""
    asked = {"KeyId": "alias/p256", "Message": b"text", "SigningAlgorithm": "ECDSA_SHA_256"}
    signature = every_key.ask("Sign", **asked)["Signature"]
    r, s = decode_dss_signature(signature)
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    plain = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    indefinite = b"\x30\x80" + signature[2:] + b"\0\0"
    long_form = b"\x30\x81" + signature[1:]
    forged = [encode_dss_signature(*pair) for pair in ((r + order, s), (r, s + order), (0, s), (r, 0), (0, 0), (1, 1))]
    for each in (plain, indefinite, long_form, signature + b"\x05\0", *forged):
        with pytest.raises(KMSInvalidSignatureException):
            every_key.ask("Verify", Signature=each, **asked)
    assert every_key.ask("Verify", Signature=encode_dss_signature(r, order - s), **asked)["SignatureValid"]


def test_a_pss_salt_has_the_length_of_the_hash(every_key: EveryKey) -> None:
    pair = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    from reconciler_softkms import signatures

    for length, is_valid in ((32, True), (0, False), (31, False), (padding.PSS.MAX_LENGTH, False)):
        pss = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=length)
        signature = pair.sign(b"text", pss, hashes.SHA256())
        told = signatures.is_valid(pair.public_key(), "RSASSA_PSS_SHA_256", b"text", signature, is_digest=False)
        assert told is is_valid


@pytest.mark.parametrize(("name", "algorithm"), MACS)
@given(message=st.binary(min_size=1, max_size=300), data=st.data())
def test_a_mac_is_hmac_and_whole(
    every_key: EveryKey, name: str, algorithm: str, message: bytes, data: st.DataObject
) -> None:
    asked = {"KeyId": f"alias/{name}", "MacAlgorithm": algorithm}
    mac = every_key.ask("GenerateMac", Message=message, **asked)["Mac"]
    assert len(mac) == int(algorithm[-3:]) // 8
    assert every_key.ask("VerifyMac", Message=message, Mac=mac, **asked)["MacValid"] is True
    bit = data.draw(st.integers(0, len(mac) * 8 - 1))
    changed = bytearray(mac)
    changed[bit // 8] ^= 1 << bit % 8
    for wrong in (bytes(changed), mac[:-1], mac + b"\0", mac[:1]):
        with pytest.raises(KMSInvalidMacException):
            every_key.ask("VerifyMac", Message=message, Mac=wrong, **asked)
    with pytest.raises(KMSInvalidMacException):
        every_key.ask("VerifyMac", Message=message + b"\0", Mac=mac, **asked)


@pytest.mark.parametrize(("name", "algorithm"), MACS)
def test_a_mac_is_that_of_the_standard(every_key: EveryKey, name: str, algorithm: str) -> None:
    key_id = every_key.arns[name].rpartition("/")[2]
    made = every_key.ask("GenerateMac", KeyId=key_id, Message=b"text", MacAlgorithm=algorithm)
    (material,) = [held for known, held in every_key.provider._door.materials._open.items() if known[0] == key_id]
    assert len(material) == int(algorithm[-3:]) // 8
    assert made["Mac"] == hmac.new(material.expose_key_bytes(), b"text", f"sha{algorithm[-3:]}").digest()
    for other in {algorithm for _, algorithm in MACS} - {algorithm}:
        with pytest.raises(InvalidKeyUsageException, match="incompatible with key spec"):
            every_key.ask("GenerateMac", KeyId=key_id, Message=b"text", MacAlgorithm=other)


@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if kind[0].startswith(("RSA", "ECC"))])
def test_a_public_key_is_told_with_what_it_is_good_for(every_key: EveryKey, name: str) -> None:
    spec, usage = KINDS[name]
    answer = every_key.ask("GetPublicKey", KeyId=f"alias/{name}")
    der = load_der_public_key(answer["PublicKey"]).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert der == answer["PublicKey"]
    assert (answer["KeySpec"], answer["CustomerMasterKeySpec"], answer["KeyUsage"]) == (spec, spec, usage)
    told = algorithms(spec, usage)
    lists = {
        "EncryptionAlgorithms": told.encryption,
        "SigningAlgorithms": told.signing,
        "KeyAgreementAlgorithms": told.agreement,
    }
    assert {member: tuple(answer.get(member, ())) for member in lists} == lists
    assert sum(member in answer for member in lists) == 1


@pytest.mark.parametrize("name", AGREEING)
def test_both_sides_derive_one_secret(every_key: EveryKey, name: str) -> None:
    ours = public_key(every_key, name)
    theirs = ec.generate_private_key(ours.curve)
    answer = every_key.ask(
        "DeriveSharedSecret",
        KeyId=f"alias/{name}",
        KeyAgreementAlgorithm="ECDH",
        PublicKey=_spki(theirs.public_key()),
    )
    assert answer["SharedSecret"] == theirs.exchange(ec.ECDH(), ours)
    assert len(answer["SharedSecret"]) == (ours.curve.key_size + 7) // 8
    assert (answer["KeyOrigin"], answer["KeyAgreementAlgorithm"]) == ("AWS_KMS", "ECDH")
    assert answer["SharedSecret"].hex() not in json.dumps(every_key.last_event())


def _spki(public: Any) -> bytes:
    der: bytes = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return der


def bad_points() -> dict[str, bytes]:
    good = _spki(ec.generate_private_key(ec.SECP256R1()).public_key())
    return {
        "a point off the curve": good[:-1] + bytes([good[-1] ^ 1]),
        "the point at infinity": good[:-65] + b"\0",
        "half a point": good[:-32],
        "a byte too many": good + b"\0",
        "a point of another curve": _spki(ec.generate_private_key(ec.SECP384R1()).public_key()),
        "a point of a curve that no key here has": _spki(ec.generate_private_key(ec.BrainpoolP256R1()).public_key()),
        "a point of secp256k1": _spki(ec.generate_private_key(ec.SECP256K1()).public_key()),
        "an RSA key": _spki(rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()),
        "no key at all": b"public key",
        "a bare point": good[-65:],
    }


def test_a_public_key_that_is_no_point_of_our_curve_is_refused(every_key: EveryKey) -> None:
    for what, der in bad_points().items():
        with pytest.raises(ValidationException, match="public key of the request"):
            pytest.fail(
                what
                + str(
                    every_key.ask(
                        "DeriveSharedSecret", KeyId="alias/agreeing", KeyAgreementAlgorithm="ECDH", PublicKey=der
                    )
                )
            )


def test_records_tell_how_and_never_what(every_key: EveryKey) -> None:
    signed = {"KeyId": "alias/p256", "SigningAlgorithm": "ECDSA_SHA_256"}
    every_key.ask("Sign", Message=b"a text that nobody may see", **signed)
    expected = {"keyId": "alias/p256", "messageType": "RAW", "signingAlgorithm": "ECDSA_SHA_256"}
    assert every_key.last_event()["requestParameters"] == expected
    every_key.ask("GenerateMac", KeyId="alias/hmac-256", Message=b"text", MacAlgorithm="HMAC_SHA_256")
    last = every_key.last_event()
    assert last["requestParameters"] == {"keyId": "alias/hmac-256", "macAlgorithm": "HMAC_SHA_256"}
    assert last["responseElements"] is None
    assert last["readOnly"] is True


def test_a_private_key_is_parsed_once(every_key: EveryKey, monkeypatch: pytest.MonkeyPatch) -> None:
    from reconciler_softkms import key_pairs

    asked = {"KeyId": "alias/rsa-signing", "Message": b"text", "SigningAlgorithm": "RSASSA_PSS_SHA_256"}
    every_key.ask("Sign", **asked)
    monkeypatch.setattr(key_pairs, "load", None)
    every_key.ask("Sign", **asked)


def test_signing_is_randomised(every_key: EveryKey) -> None:
    asked = {"KeyId": "alias/p256", "Message": b"text", "SigningAlgorithm": "ECDSA_SHA_256"}
    assert every_key.ask("Sign", **asked)["Signature"] != every_key.ask("Sign", **asked)["Signature"]
    with pytest.raises(InvalidSignature):
        public_key(every_key, "k1").verify(
            every_key.ask("Sign", **asked)["Signature"], b"text", ec.ECDSA(hashes.SHA256())
        )


def test_a_key_pair_is_forgotten_with_its_key(provider: SoftKms, caller: Caller, clock: ManualClock) -> None:
    """KM1: what was destroyed is not in memory either."""
    made = provider.create_key(
        caller, KeyRequest(key_spec="ECC_NIST_P256", key_usage="SIGN_VERIFY"), token="to be destroyed"
    )
    asked = {"KeyId": made.arn, "Message": b"text", "SigningAlgorithm": "ECDSA_SHA_256"}
    Client(provider, caller).ask("Sign", **asked)
    assert provider._door.materials._pairs
    provider.schedule_key_deletion(caller, made.arn, waiting_days=7)
    clock.advance(days=7)
    with pytest.raises(NotFoundException):
        Client(provider, caller).ask("Sign", **asked)
    assert not provider._door.materials._pairs
