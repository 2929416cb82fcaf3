"""The public certificate that an HSM's agent must show (HS5): one, as PEM. Read without cryptography: it is compared,
and what is wrong with it as a certificate its provider says."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from typing import Final

_BLOCK: Final = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----(.*?)-----END \1-----", re.DOTALL)
_LARGEST: Final = 64 * 1024


def one_certificate(text: str) -> str:
    """The certificate in one spelling: lines of 64 characters, nothing around it. ValueError says what is wrong."""
    if len(text) > _LARGEST:
        raise ValueError(f"it is larger than {_LARGEST} bytes")
    blocks = _BLOCK.findall(text)
    kinds = [kind for kind, _ in blocks]
    if any("PRIVATE KEY" in kind for kind in kinds) or "PRIVATE KEY" in text:
        raise ValueError("it holds a private key, and only the public certificate belongs here")
    if kinds != ["CERTIFICATE"]:
        found = f"{len(kinds)} blocks" if kinds else "none"
        raise ValueError(f"it must hold exactly one certificate as PEM (-----BEGIN CERTIFICATE-----), and has {found}")
    return _written(_der(blocks[0][1]))


def fingerprint(pem: str) -> str:
    """SHA-256 of the certificate, in hex."""
    return hashlib.sha256(_der(_BLOCK.findall(pem)[0][1])).hexdigest()


def _der(body: str) -> bytes:
    try:
        return base64.b64decode("".join(body.split()), validate=True)
    except binascii.Error:
        raise ValueError("what stands between its first and last line is not base64") from None


def _written(der: bytes) -> str:
    body = base64.b64encode(der).decode()
    lines = [body[at : at + 64] for at in range(0, len(body), 64)]
    return "\n".join(("-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----", ""))
