"""Proof of what keys do that are not symmetric: they sign, encrypt for one, authenticate and agree on secrets (KM1).

Each makes something of a canary and takes it back; what was changed on the way must be refused. Such uses are asked for
by their public requests, in which a key service of any make has them.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from reconciler.access.caller import Caller
from reconciler.errors import (
    InvalidCiphertextException,
    KMSInvalidMacException,
    KMSInvalidSignatureException,
)
from reconciler.providers.keys import KeyDescription
from reconciler.providers.proofs import REFUSALS, ROUND_TRIPS, Check, unprotected
from reconciler.providers.requests import AnswersRequests

_HASH: Final = {"ECC_NIST_P384": "SHA_384", "ECC_NIST_P521": "SHA_512"}
_REPORT: Final = "Do not trust this key service: it does not check what it is given back. Report it."
_REFUSED: Final = (InvalidCiphertextException, KMSInvalidMacException, KMSInvalidSignatureException)

Answer = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Use:
    """What one usage makes (``make``) and takes back (``take``), each an operation and its own members. ``made`` is
    the member that goes from one into the other."""

    make: str
    take: str
    made: str
    algorithm: dict[str, str]
    given: str  # the member that holds the canary


def use_of(key: KeyDescription) -> Use | None:
    """How such a key is tried; None for one that makes nothing that can be taken back."""
    if key.key_usage == "SIGN_VERIFY":
        scheme = "RSASSA_PSS" if key.key_spec.startswith("RSA") else "ECDSA"
        name = f"{scheme}_{_HASH.get(key.key_spec, 'SHA_256')}"
        return Use("Sign", "Verify", "Signature", {"SigningAlgorithm": name}, "Message")
    if key.key_usage == "GENERATE_VERIFY_MAC":
        name = key.key_spec.replace("HMAC_", "HMAC_SHA_")
        return Use("GenerateMac", "VerifyMac", "Mac", {"MacAlgorithm": name}, "Message")
    if key.key_usage == "ENCRYPT_DECRYPT":
        oaep = {"EncryptionAlgorithm": "RSAES_OAEP_SHA_256"}
        return Use("Encrypt", "Decrypt", "CiphertextBlob", oaep, "Plaintext")
    return None


def try_use(service: AnswersRequests, who: Caller, key: KeyDescription, canary: bytes) -> Callable[[], Iterator[Check]]:
    """Make something of the canary; what is answered goes on to prove that it is taken back, and nothing else is.
    Whatever refuses the making is raised."""
    use = use_of(key)
    if use is None:
        secret = _agreed(service, who, key.arn)
        return lambda: iter([_same(_agreed(service, who, key.arn) == secret, key.arn)])
    text = _text(canary)
    made = service.answer(who, use.make, {"KeyId": key.arn, use.given: text, **use.algorithm})[use.made]
    return lambda: _taken_back(service, who, key.arn, use, text, str(made))


def _taken_back(  # noqa: PLR0917  # the parts of one proof
    service: AnswersRequests, who: Caller, arn: str, use: Use, canary: str, made: str
) -> Iterator[Check]:
    asked = {"KeyId": arn, use.made: made, **use.algorithm}
    opens = use.given == "Plaintext"
    answer = service.answer(who, use.take, asked if opens else {**asked, use.given: canary})
    yield _same(not opens or answer["Plaintext"] == canary, arn)
    changed = base64.b64decode(made)
    changed = changed[:-1] + bytes([changed[-1] ^ 1])
    wrong = {**asked, use.made: _text(changed)} if opens else {**asked, use.given: _text(b"another")}
    try:
        service.answer(who, use.take, wrong)
    except _REFUSED:
        yield Check(what=REFUSALS)
    else:
        yield unprotected(REFUSALS, f"the key {arn} takes back what it did not make ({use.take})", _REPORT)


def _agreed(service: AnswersRequests, who: Caller, arn: str) -> str:
    """The secret that the key agrees on with its own public key."""
    public = service.answer(who, "GetPublicKey", {"KeyId": arn})["PublicKey"]
    asked = {"KeyId": arn, "KeyAgreementAlgorithm": "ECDH", "PublicKey": public}
    return str(service.answer(who, "DeriveSharedSecret", asked)["SharedSecret"])


def _same(is_same: bool, arn: str) -> Check:
    if is_same:
        return Check(what=ROUND_TRIPS)
    return unprotected(ROUND_TRIPS, f"the key {arn} does not give back what went in", _REPORT)


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()
